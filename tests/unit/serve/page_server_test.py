"""The chat page is an application of its own: in another process, for loopback where keyless."""

import subprocess
import sys

import pytest
from starlette.testclient import TestClient

from palo.client import Endpoint
from palo.errors import ConfigError
from palo.serve import page_server
from palo.serve.chat_page.settings import PageSettings
from palo.serve.page_server import PageServer, page_application

_PROGRAM = """
import sys
import palo.serve.page_server
print(*({'gradio', 'torch'} & sys.modules.keys()), sep=",")
import palo.serve.chat_page.mount
print(*({'gradio', 'torch'} & sys.modules.keys()), sep=",")
"""


def test_gradio_is_loaded_in_the_pages_process_alone_and_no_model_is():
    """tests/rules/extras_test.py shows that the other applications load without it."""
    command = [sys.executable, "-c", _PROGRAM]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert loaded == "\ngradio\n"


@pytest.fixture
def serve(tmp_path, monkeypatch, chat_server):
    """Builds the page's application as Ray Serve does; its priority is told and not changed."""
    lowered = []
    monkeypatch.setattr(page_server, "lower_priority", lowered.append)

    def make(*, login):
        endpoint = Endpoint(url=chat_server.url)
        settings = PageSettings(endpoint=endpoint, login=login, feedback=tmp_path / "feedback")
        app = PageServer(settings).__serve_build_asgi_app__()
        assert lowered == [10]
        return lambda host: TestClient(app, base_url=f"http://{host}", follow_redirects=False)

    return make


def test_without_login_only_this_machines_own_pages_reach_it(serve):
    browse = serve(login=False)
    assert browse("127.0.0.1:8000").get("/").status_code == 200
    assert browse("evil.example").get("/").status_code == 401
    refused = browse("localhost").get("/config", headers={"origin": "http://evil.example"})
    assert refused.json()["error"]["code"] == "invalid_api_key"


def test_with_login_it_is_reached_by_any_name_and_shows_the_login(serve):
    answer = serve(login=True)("palo.example").get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "login")
    assert answer.headers["x-request-id"]


def test_settings_with_faults_are_told_before_anything_starts():
    with pytest.raises(ConfigError, match="max_length is 0"):
        page_application(PageSettings(max_length=0))
