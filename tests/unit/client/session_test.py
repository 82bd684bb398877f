import contextlib

import pytest

from palo.api_errors import APIErrorCode
from palo.client import Endpoint, EndpointError, ImageContent
from palo.client.session import EndpointSession
from palo.errors import ImageError

_PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.fixture
def session(chat_server):
    return EndpointSession(Endpoint(url=chat_server.url), language="bn", max_tokens=9)


def test_the_image_goes_with_the_first_question_and_all_is_remembered(
    session, chat_server, tmp_path
):
    (tmp_path / "a.png").write_bytes(_PNG)
    session.show(tmp_path / "a.png")
    assert "".join(session.ask("say দুই")) == "দুই"
    assert "".join(session.ask("say three")) == "three"
    last = chat_server.asked[-1]
    assert (last["model"], last["language"], last["max_tokens"]) == ("palo-7b", "bn", 9)
    first, answer, second = last["messages"]
    assert first["content"][0]["image_url"]["url"] == ImageContent.of(_PNG).data_url
    assert (answer["content"], second["content"]) == ("দুই", "say three")
    session.restart()
    list(session.ask("say again"))
    (only,) = chat_server.asked[-1]["messages"]
    assert [part["type"] for part in only["content"]] == ["image_url", "text"]


def test_what_was_said_before_a_stop_is_remembered_and_a_refused_question_is_not(
    session, chat_server
):
    with contextlib.closing(session.ask("forever")) as pieces:
        assert next(pieces) == "0 "
    with pytest.raises(EndpointError):
        list(session.ask("refuse overloaded"))
    list(session.ask("say ok"))
    said = [message["content"] for message in chat_server.asked[-1]["messages"]]
    assert said == ["forever", "0 ", "say ok"]


def test_a_file_that_is_no_image_leaves_the_old_one(session, chat_server, tmp_path):
    (tmp_path / "a.png").write_bytes(_PNG)
    (tmp_path / "b.png").write_bytes(b"<svg>")
    session.show(tmp_path / "a.png")
    with pytest.raises(ImageError):
        session.show(tmp_path / "b.png")
    list(session.ask("say ok"))
    assert chat_server.asked[-1]["messages"][0]["content"][0]["type"] == "image_url"


def test_a_model_that_is_not_there_is_told_with_those_that_are(chat_server):
    with pytest.raises(EndpointError, match="Use one of palo-7b, palo-mobile") as caught:
        EndpointSession(Endpoint(url=chat_server.url), model="gpt")
    assert caught.value.code == APIErrorCode.MODEL_NOT_FOUND
