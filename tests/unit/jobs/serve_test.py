import dataclasses
import os
import socket

import pytest
from jobs import serve as serve_job
from jobs.serve import ServeJob, _num_spares, _run_page, main

from palo.checkpoint.finished import newest_run
from palo.errors import ConfigError, DataError, ResourceError
from palo.security.access import AccessSettings


def finished_run(runs, name, at_s):
    path = runs / name / "finetune" / "model.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    os.utime(path, (at_s, at_s))
    return runs / name


def test_the_newest_finished_run_is_served(tmp_path):
    finished_run(tmp_path, "b", 200)
    newest = finished_run(tmp_path, "a", 300)
    (tmp_path / "unfinished" / "finetune").mkdir(parents=True)
    assert newest_run(tmp_path) == newest


def test_without_a_run_it_says_how_to_get_one(tmp_path):
    with pytest.raises(DataError, match="make finetune"):
        newest_run(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "0"], "port is 0"),
        (["--access.no-keys", "--access.host", "0.0.0.0"], "no_keys needs a loopback host"),
    ],
)
def test_wrong_arguments_are_told_before_anything_starts(arguments, words):
    with pytest.raises(ConfigError, match=words):
        main(arguments)


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ResourceError, match="can't listen on this address"):
            main(["--port", str(taken.getsockname()[1])])


def test_a_folder_without_a_model_is_told_before_ray_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.serve.ray_session", lambda **_: pytest.fail("Ray was started"))
    with pytest.raises(DataError, match=r"no finished model here: .*/nope\. Train one"):
        main([str(tmp_path / "nope"), "--port", "59321"])


@pytest.fixture
def page_of(monkeypatch, tmp_path):
    """Runs the page of a job beside an endpoint that isn't there; returns its settings."""
    from palo.serve import page_server, running

    def run(job, problem=None):
        built = []

        def start(application):
            if problem is not None:
                raise problem

        monkeypatch.setattr(page_server, "page_application", built.append)
        monkeypatch.setattr(running, "run_page", start)
        _run_page(dataclasses.replace(job, feedback=tmp_path))
        return built[0]

    return run


def test_the_page_asks_the_endpoint_as_its_visitors_do(page_of, capsys):
    settings = page_of(ServeJob(port=8123))
    assert (settings.endpoint.url, settings.login) == ("http://127.0.0.1:8123", True)
    assert "http://127.0.0.1:8123/chat/" in capsys.readouterr().out
    keyless = ServeJob(access=AccessSettings(no_keys=True))
    assert not page_of(keyless).login


def test_a_page_that_does_not_start_is_told_and_the_endpoint_goes_on(page_of, capsys):
    page_of(ServeJob(), ResourceError("the chat page didn't start"))
    told = capsys.readouterr()
    assert "the chat page didn't start" in told.err
    assert "chat page" not in told.out


@pytest.mark.parametrize(
    ("changes", "num_cores", "has_gpu", "small_bytes", "wanted"),
    [
        ({}, 2, False, 2**28, 1),
        ({}, 2, True, 2**28, 0),
        ({}, 1, False, 2**28, 0),
        ({"num_replicas": 2}, 2, False, 2**28, 0),
        ({}, 2, False, 1000, 0),
        ({"num_spares": 3}, 1, True, 1000, 3),
    ],
)
def test_a_small_model_has_a_spare_replica_where_there_is_a_core_for_it(
    monkeypatch, finished_stage, changes, num_cores, has_gpu, small_bytes, wanted
):
    monkeypatch.setattr(os, "cpu_count", lambda: num_cores)
    monkeypatch.setattr(serve_job, "_SMALL_BYTES", small_bytes)
    assert _num_spares(ServeJob(**changes), [finished_stage], has_gpu=has_gpu) == wanted
