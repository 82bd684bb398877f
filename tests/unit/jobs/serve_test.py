import os
import socket

import pytest
from jobs.serve import main, newest_run

from palo.errors import ConfigError, DataError, ResourceError


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
