import asyncio
import pickle
import socket
import subprocess
import sys
import threading
import time

import pytest

from palo import config
from palo.api_errors import APIErrorCode
from palo.client import (
    AsyncChatClient,
    ChatClient,
    ChatQuestion,
    ClientErrorCode,
    Endpoint,
    EndpointError,
    ImageContent,
    assistant,
    user,
)
from palo.client.answers import AnswerReader
from palo.client.errors import error_from_response
from palo.errors import ConfigError, ImageError

_PNG = ImageContent.of(b"\x89PNG\r\n\x1a\nrest")


@pytest.fixture
def client(chat_server):
    with ChatClient(Endpoint(url=chat_server.url, silence_s=5)) as client:
        yield client


def _ask(words, *images, **settings):
    return ChatQuestion(model="palo-7b", messages=(user(words, *images),), **settings)


def test_it_lists_the_models(client):
    assert client.models() == ["palo-7b", "palo-mobile"]


def test_an_answer_comes_whole_or_in_pieces(client):
    assert client.answer(_ask("say দুটি লাল বৃত্ত")) == "দুটি লাল বৃত্ত"
    with client.stream(_ask("say দুটি লাল বৃত্ত")) as answer:
        pieces = list(answer)
    assert pieces[0] == "দুটি"
    assert "".join(pieces) == "দুটি লাল বৃত্ত"
    reading = answer.state
    assert (reading.finish_reason, reading.request_id, reading.language) == ("stop", "req-1", "bn")
    assert (reading.usage.prompt_tokens, reading.usage.completion_tokens) == (12, 3)


def test_a_question_says_what_was_chosen_and_nothing_else(client, chat_server):
    messages = (user("How many?", _PNG), assistant("Two."), user("say ok"))
    client.answer(ChatQuestion(model="m", messages=messages, language="ur", max_tokens=9))
    assert chat_server.asked == [
        {
            "model": "m",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": _PNG.data_url}},
                        {"type": "text", "text": "How many?"},
                    ],
                },
                {"role": "assistant", "content": "Two."},
                {"role": "user", "content": "say ok"},
            ],
            "language": "ur",
            "max_tokens": 9,
        }
    ]
    assert _PNG.data_url.startswith("data:image/png;base64,iVBORw")


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0c", "\r"])
def test_other_line_ends_stay_within_a_text(client, separator):
    with client.stream(_ask(f"say one{separator}two")) as answer:
        assert "".join(answer) == f"one{separator}two"


def test_bytes_may_be_cut_anywhere():
    event = 'data: {"choices": [{"delta": {"content": "اردو"}}]}\r\n\r\ndata: [DONE]\n\n'.encode()
    reading = AnswerReader()
    assert "".join(t for i in range(len(event)) for t in reading.feed(event[i : i + 1])) == "اردو"
    assert reading.done


@pytest.mark.parametrize("code", list(APIErrorCode))
def test_refusals_keep_their_code_before_and_within_a_stream(client, code):
    with (
        pytest.raises(EndpointError, match="said so") as caught,
        client.stream(_ask(f"refuse {code}")),
    ):
        pass
    assert (caught.value.code, caught.value.request_id) == (code, "req-1")
    assert caught.value.retry_after_s == 7
    said = []
    with (
        pytest.raises(EndpointError, match="said so") as caught,
        client.stream(_ask(f"fail {code}")) as answer,
    ):
        said.extend(answer)
    assert (caught.value.code, caught.value.request_id, said) == (code, "req-1", ["half "])


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b"<html>", APIErrorCode.INVALID_API_KEY),
        (404, b'{"error": {"code": 404, "message": "none"}}', APIErrorCode.MODEL_NOT_FOUND),
        (429, b'{"error": "slow down"}', APIErrorCode.RATE_LIMIT_EXCEEDED),
        (422, b"[]", APIErrorCode.INVALID_REQUEST),
        (302, b"", APIErrorCode.INVALID_REQUEST),
        (500, b'{"error": {"code": null}}', APIErrorCode.INTERNAL),
    ],
)
def test_other_servers_refusals_are_told_by_their_status(status, body, code):
    assert error_from_response(status, {}, body).code == code


def test_what_happens_on_the_way_has_its_own_code(client):
    with pytest.raises(EndpointError) as caught, client.stream(_ask("cut")) as answer:
        list(answer)
    assert caught.value.code == ClientErrorCode.CUT_OFF
    with pytest.raises(EndpointError) as caught, client.stream(_ask("nonsense")) as answer:
        list(answer)
    assert caught.value.code == ClientErrorCode.NOT_UNDERSTOOD
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.code) == (str(caught.value), ClientErrorCode.NOT_UNDERSTOOD)


def test_an_address_where_nothing_answers_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/"
        with ChatClient(Endpoint(url=url)) as client, pytest.raises(EndpointError) as caught:
            client.models()
    assert caught.value.code == ClientErrorCode.UNREACHABLE
    assert f"nothing answers at {url}" in str(caught.value)


def test_silence_ends_in_a_time_out(chat_server):
    with ChatClient(Endpoint(url=chat_server.url, silence_s=0.1)) as client:
        with pytest.raises(EndpointError) as caught, client.stream(_ask("wait")) as answer:
            list(answer)
        assert caught.value.code == APIErrorCode.TIMEOUT
    assert chat_server.left.wait(5)


def test_leaving_the_block_ends_the_answer_on_the_server(client, chat_server):
    with client.stream(_ask("forever")) as answer:
        assert next(iter(answer)) == "0 "
    assert chat_server.left.wait(5)


def test_another_thread_can_cancel_an_answer_that_is_waited_for(client, chat_server):
    with client.stream(_ask("wait")) as answer:
        threading.Timer(0.1, answer.cancel).start()
        assert list(answer) == []
    assert chat_server.left.wait(5)


def test_a_key_is_sent_and_never_shown(chat_server):
    chat_server.key = "sk-secret"
    wrong, right = (Endpoint(url=chat_server.url, api_key=key) for key in (None, "sk-secret"))
    with ChatClient(wrong) as client, pytest.raises(EndpointError) as caught:
        client.models()
    assert caught.value.code == APIErrorCode.INVALID_API_KEY
    with ChatClient(right) as client:
        assert client.models()
    assert "secret" not in repr(right)


def test_the_asynchronous_client_does_the_same(chat_server):
    async def talk():
        async with AsyncChatClient(Endpoint(url=f"{chat_server.url}/v1", silence_s=5)) as client:
            assert await client.models() == ["palo-7b", "palo-mobile"]
            async with client.stream(_ask("say नमस्ते दुनिया")) as answer:
                assert [piece async for piece in answer] == ["नमस्ते", " दुनिया"]
            with pytest.raises(EndpointError) as caught:
                async with client.stream(_ask("refuse overloaded")):
                    pass
            assert caught.value.code == APIErrorCode.OVERLOADED
            with pytest.raises(EndpointError) as caught:
                async with client.stream(_ask("cut")) as answer:
                    assert [piece async for piece in answer]
            assert caught.value.code == ClientErrorCode.CUT_OFF

    asyncio.run(talk())


def test_cancelling_the_task_that_reads_ends_the_answer_on_the_server(chat_server):
    async def talk():
        async def read():
            async with client.stream(_ask("wait")) as answer:
                return [piece async for piece in answer]

        async with AsyncChatClient(Endpoint(url=chat_server.url)) as client:
            task = asyncio.create_task(read())
            while not chat_server.asked:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            until = time.monotonic() + 5
            while not chat_server.left.is_set() and time.monotonic() < until:
                await asyncio.sleep(0.01)

    asyncio.run(talk())
    assert chat_server.left.is_set()


@pytest.mark.parametrize("url", ["ftp://host", "host:80", "http://"])
def test_a_wrong_address_is_told(url):
    with pytest.raises(ConfigError, match="url is"):
        config.check(Endpoint(url=url))


@pytest.mark.parametrize("start", [b"<svg", b"%PDF", b"", b"RIFF1234WAVE"])
def test_only_images_are_sent(start):
    with pytest.raises(ImageError, match="PNG, JPEG"):
        ImageContent.of(start)


def test_the_client_is_light():
    program = (
        "import sys, palo.client;"
        "print([m for m in ('torch','ray','gradio','fastapi','pyarrow','PIL') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"
