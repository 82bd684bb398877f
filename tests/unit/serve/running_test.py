"""Ray Serve that is slow is waited for; one that never answers is told in our words."""

from types import SimpleNamespace

import pytest
from ray import serve

from palo.errors import ResourceError
from palo.serve import running
from palo.serve.running import end_applications, run_application, run_page, start_proxy


@pytest.mark.parametrize("num_slow", [0, 2])
def test_a_slow_start_is_waited_for(monkeypatch, num_slow):
    tries = []

    def start(**options):
        tries.append(options["http_options"].port)
        if len(tries) <= num_slow:
            raise TimeoutError

    monkeypatch.setattr(serve, "start", start)
    start_proxy("127.0.0.1", 8123)
    assert tries == [8123] * (num_slow + 1)


def test_a_start_that_never_ends_is_told(monkeypatch):
    def start(**options):
        raise TimeoutError("HTTP proxies not available after 60s.")

    monkeypatch.setattr(serve, "start", start)
    with pytest.raises(ResourceError, match="not available after 60s"):
        start_proxy("127.0.0.1", 8123)


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (
            "Error:\nray::ServeReplica\n  File a.py\npalo.errors.DataError: it is long: 9.\n",
            "the endpoint didn't start: it is long: 9. If nothing else",
        ),
        ("", "the endpoint didn't start: Deploying failed. If nothing else"),
    ],
)
def test_what_keeps_a_replica_from_starting_is_told(monkeypatch, trace, told):
    def run(*_, **__):
        raise RuntimeError("Deploying\n failed")

    deployment = SimpleNamespace(message=trace)
    status = SimpleNamespace(
        applications={"palo": SimpleNamespace(deployments={"model": deployment})}
    )
    monkeypatch.setattr(serve, "start", lambda **_: None)
    monkeypatch.setattr(serve, "run", run)
    monkeypatch.setattr(serve, "status", lambda: status)
    with pytest.raises(ResourceError, match=told):
        run_application(object(), "127.0.0.1", 8123)


def test_a_page_that_does_not_start_is_told_and_taken_away_and_nothing_else(monkeypatch):
    def run(*_, name, route_prefix):
        assert (name, route_prefix) == ("page", "/chat")
        raise RuntimeError("Deploying failed")

    page = SimpleNamespace(message="palo.errors.ConfigError: it is wrong: 9. Change it.\n")
    other = SimpleNamespace(message="palo.errors.DataError: it is long: 9.\n")
    applications = {
        "palo": SimpleNamespace(deployments={"model": other}),
        "page": SimpleNamespace(deployments={"page": page}),
    }
    deleted = []
    monkeypatch.setattr(serve, "run", run)
    monkeypatch.setattr(serve, "status", lambda: SimpleNamespace(applications=applications))
    monkeypatch.setattr(serve, "delete", deleted.append)
    with pytest.raises(ResourceError, match=r"page didn't start.*it is wrong: 9"):
        run_page(object())
    assert deleted == ["page"]


class Ending:
    """Ray Serve with an endpoint whose answers take a number of looks; what it is asked for."""

    def __init__(self, num_looks):
        self.looks, self.asked = [*[{"palo", "page"}] * num_looks, set()], []
        self.graceful_shutdown = SimpleNamespace(remote=self.shut_down)

    def status(self):
        names = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return SimpleNamespace(applications=names)

    def delete(self, name, *, _blocking):
        assert not _blocking
        self.asked.append(name)

    def shut_down(self, *, wait):
        assert not wait
        self.asked.append("controller")

    def install(self, monkeypatch):
        monkeypatch.setattr(serve, "status", self.status)
        monkeypatch.setattr(serve, "delete", self.delete)
        monkeypatch.setattr(running.ray, "get_actor", lambda name, namespace: self)
        monkeypatch.setattr(running.ray, "get", lambda call: call)
        monkeypatch.setattr(running, "_LOOK_EVERY_S", 0.0)


def test_an_end_waits_for_answers_and_then_ends_ray_serve(monkeypatch):
    ending = Ending(5)
    ending.install(monkeypatch)
    end_applications(60.0)
    assert ending.looks == [set()]
    assert ending.asked == ["page", "palo", "controller"]


def test_an_end_waits_for_no_answer_that_takes_too_long(monkeypatch):
    ending = Ending(1000)
    ending.install(monkeypatch)
    end_applications(0.0)
    assert len(ending.looks) > 900
    assert ending.asked == ["page", "palo", "controller"]


def test_an_end_without_an_endpoint_ends_ray_serve(monkeypatch):
    ending = Ending(0)
    ending.install(monkeypatch)
    end_applications(60.0)
    assert ending.asked == ["controller"]
