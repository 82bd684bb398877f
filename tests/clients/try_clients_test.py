"""The checks of OpenAI's own client, which is installed, against an endpoint over HTTP."""

import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.abuse.endpoints import Played, app_of, handler_of, keyed
from tests.clients.try_clients import environ_of, outcomes
from tests.fixtures.browser_pages import served

_PROGRAM = Path(__file__).parent / "programs" / "openai_python.py"


class _Everybodys:
    """A model that starts anew for each request."""

    def __call__(self, ask):
        return Played()(ask)


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """The environment of a program that asks an endpoint."""
    key_file, image = tmp_path / "keys.json", tmp_path / "image.png"
    monkeypatch.setenv("PALO_API_KEY", keyed(key_file))
    Image.new("RGB", (8, 8)).save(image)
    handler = handler_of(_Everybodys(), key_file)
    with served(lambda app: app.mount("/", app_of(handler))) as url:
        yield environ_of(url, "palo", image)


def test_openais_client_passes_its_checks(environ):
    found = list(outcomes([sys.executable, _PROGRAM], environ))
    assert [outcome for outcome in found if outcome.fault] == []
    assert len(found) > 10


def test_a_client_that_gets_no_answer_fails_its_checks(environ):
    found = list(outcomes([sys.executable, _PROGRAM], environ | {"OPENAI_API_KEY": "sk-wrong"}))
    faults = {outcome.check for outcome in found if outcome.fault}
    assert {"chat", "chat, stream", "responses"} <= faults
    assert "wrong key" not in faults


def test_a_program_that_breaks_is_a_fault(environ):
    (found,) = outcomes([sys.executable, "-c", "1 // 0"], environ)
    assert "ZeroDivisionError" in found.fault
