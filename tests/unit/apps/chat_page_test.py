import sys
from pathlib import Path

import pytest
from tests.fixtures.scripts import load_script

from palo.client import EndpointError
from palo.errors import ConfigError

_APP = Path(__file__).resolve().parents[3] / "apps" / "chat_page.py"


@pytest.fixture
def start(monkeypatch):
    """Starts the page up to where it would listen; returns with what it would."""
    module = load_script(_APP)
    monkeypatch.delenv("PALO_API_KEY", raising=False)
    started = []

    def serve(settings, *, host, port):
        started.append((settings, host, port))

    monkeypatch.setitem(
        sys.modules,
        "palo.serve.chat_page.mount",
        type("Mount", (), {"serve_page": staticmethod(serve)}),
    )

    def run(*arguments):
        module.main(list(arguments))
        return started[-1]

    return run


def test_a_server_without_keys_gets_a_page_without_login_on_loopback(start, chat_server, capsys):
    settings, host, port = start("--endpoint", chat_server.url)
    assert (settings.login, host, port) == (False, "127.0.0.1", 7860)
    assert "http://127.0.0.1:7860" in capsys.readouterr().out


def test_a_server_with_keys_gets_a_page_with_login(start, chat_server):
    chat_server.key = "sk-good"
    assert start("--endpoint", chat_server.url)[0].login


def test_a_key_of_the_environment_is_for_this_machine_alone(start, chat_server, monkeypatch):
    chat_server.key = "sk-good"
    monkeypatch.setenv("PALO_API_KEY", "sk-good")
    settings, *_ = start("--endpoint", chat_server.url)
    assert (settings.login, settings.endpoint.api_key) == (False, "sk-good")
    with pytest.raises(ConfigError, match=r"lent to everybody.*0\.0\.0\.0"):
        start("--endpoint", chat_server.url, "--host", "0.0.0.0")


def test_a_wrong_key_and_a_wrong_address_are_told_before_the_page_starts(
    start, chat_server, monkeypatch
):
    with pytest.raises(ConfigError, match="url is"):
        start("--endpoint", "nowhere")
    chat_server.key = "sk-good"
    monkeypatch.setenv("PALO_API_KEY", "sk-bad")
    with pytest.raises(EndpointError):
        start("--endpoint", chat_server.url)
    with pytest.raises(ConfigError, match="port is 0"):
        start("--port", "0")
