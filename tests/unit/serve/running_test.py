"""Ray Serve that is slow is waited for; one that never answers is told in our words."""

import pytest
from ray import serve

from palo.errors import ResourceError
from palo.serve.running import start_proxy


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
