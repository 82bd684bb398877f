"""Servers that answer with anything: each costs its own request, typed, in bounded memory."""

import asyncio
import gzip
import itertools
import json
import time
import zlib
from functools import partial
from pathlib import Path

import pytest
from tests.abuse.linear_time import assert_linear_in_bytes
from tests.fixtures.peak_memory import grown_mib
from tests.fixtures.raw_server import raw_server, reply

from palo import client
from palo.endpoint.caller import Caller
from palo.endpoint.limits import RequestPacer
from palo.endpoint.replies import Failure, Reply
from palo.endpoint.settings import EndpointSettings
from palo.errors import PaloError
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.judging.judge import judge
from palo.evaluate.judging.requests import JudgeSettings

_BODY = {"messages": [{"role": "user", "content": "?"}]}
_QUESTION = client.ChatQuestion(model="m", messages=(client.user("?"),))
_DEEP = b"[" * 200_000
_NESTED = b"[" * 1000 + b"]" * 1000


def completion(content: bytes = b'"fine"', **fields: bytes) -> bytes:
    """A chat completion whose parts are JSON as it is written here."""
    more = b"".join(b', "%s": %s' % (name.encode(), value) for name, value in fields.items())
    return b'{"choices": [{"message": {"content": %s}}]%s}' % (content, more)


def event(delta: bytes, more: bytes = b"") -> bytes:
    return b'data: {"choices": [{"delta": %s}]%s}\n\n' % (delta, more)


def stream_head(**headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", *(f"{n.replace('_', '-')}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def ask(server, **changes):
    """What the bulk jobs' client makes of a server."""
    settings = {"first_wait_s": 0.0, "timeout_s": 5.0, "attempts": 1, "input_price": 1.0}
    endpoint = EndpointSettings(url=server.url, model="m", **(settings | changes))

    async def run():
        async with Caller(endpoint) as caller:
            return await caller.call(_BODY)

    return asyncio.run(run())


def read_stream(server, **changes):
    """What the interactive clients make of a stream: the same, whichever of the two reads."""
    endpoint = client.Endpoint(url=server.url, silence_s=5.0, **changes)

    async def asynchronous():
        async with client.AsyncChatClient(endpoint) as own, own.stream(_QUESTION) as answer:
            return "".join([text async for text in answer])

    with pytest.raises(client.EndpointError) as later:
        asyncio.run(asynchronous())
    with (
        pytest.raises(client.EndpointError) as caught,
        client.ChatClient(endpoint) as own,
        own.stream(_QUESTION) as answer,
    ):
        list(answer)
    assert caught.value.code == later.value.code
    return caught.value


BODIES = {
    "brackets without end": _DEEP,
    "a content of brackets": completion(_NESTED),
    "a count of 400 digits": completion(usage=b'{"prompt_tokens": %s}' % (b"9" * 400)),
    "half a surrogate pair": completion(b'"\\ud800"'),
    "no UTF-8": completion(b'"\xff\xfe"'),
    "not a number": completion(usage=b'{"prompt_tokens": NaN}'),
    "a number": b"1",
    "choices of text": b'{"choices": "x"}',
    "a message of text": b'{"choices": [{"message": "x"}]}',
    "nothing": b"",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_costs_its_own_request(body):
    with raw_server(reply(body)) as server:
        found = ask(server)
        assert isinstance(found, Failure)
        assert (found.kind, len(found.detail) < 400) == ("bad_response", True)
        with (
            client.ChatClient(client.Endpoint(url=server.url)) as own,
            pytest.raises(client.EndpointError) as caught,
        ):
            own.answer(_QUESTION)
        assert caught.value.code == client.ClientErrorCode.NOT_UNDERSTOOD
        with (
            client.ChatClient(client.Endpoint(url=server.url)) as own,
            pytest.raises(client.EndpointError),
        ):
            own.models()


@pytest.mark.parametrize("count", [b"1000000000000000000", b"-5", b"true", b'"7"', b"[7]", b"1e30"])
def test_a_count_that_is_none_is_not_counted(count):
    body = completion(usage=b'{"prompt_tokens": %s, "total_tokens": %s}' % (count, count))
    with raw_server(reply(body)) as server:
        found = ask(server, max_cost=1.0)
        assert isinstance(found, Reply)
        assert found.num_tokens == 0


@pytest.mark.parametrize(
    "header",
    [
        "Thu, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:02:00 +99999999999999",
        "-1e300",
        "NaN",
        "9" * 5000,
        "1_0",
    ],
)
def test_a_wait_that_no_clock_knows_is_none(header, monkeypatch):
    held = []
    monkeypatch.setattr(RequestPacer, "hold", lambda self, wait_s: held.append(wait_s))
    with raw_server(reply(b"{}", "429 Too Many Requests", Retry_After=header)) as server:
        assert ask(server, attempts=2).kind == "busy"
        assert held == []
        with (
            client.ChatClient(client.Endpoint(url=server.url)) as own,
            pytest.raises(client.EndpointError) as caught,
        ):
            own.models()
        assert caught.value.retry_after_s is None


@pytest.mark.parametrize(("header", "wait_s"), [("1000000", 86400.0), ("-3", 0.0), ("7", 7.0)])
def test_a_wait_is_a_day_at_most(header, wait_s):
    with (
        raw_server(reply(b"{}", "429 Too Many Requests", Retry_After=header)) as server,
        client.ChatClient(client.Endpoint(url=server.url)) as own,
        pytest.raises(client.EndpointError) as caught,
    ):
        own.models()
    assert caught.value.retry_after_s == wait_s


WIRES = {
    "headers without end": lambda _: itertools.chain(
        [b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-More: and more\r\n" * 500)
    ),
    "a header line without end": lambda _: itertools.chain(
        [b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"x" * 10_000)
    ),
    "a length of 5,000 digits": lambda _: [
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}"
    ],
    "a chunk of 5,000 digits": lambda _: [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"9" * 5000 + b"\r\n{}"
    ],
    "less than the length": lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"],
    "no HTTP": lambda _: [b"\x16\x03\x01" * 100],
    "a compressed body": lambda _: [reply(b"x" * 99, Content_Encoding="br")],
}


@pytest.mark.parametrize("answer", WIRES.values(), ids=WIRES)
def test_what_is_no_answer_on_the_wire_is_a_typed_failure(answer):
    with raw_server(answer) as server:
        found = ask(server)
        assert isinstance(found, Failure)
        assert found.kind in ("connection", "bad_response")
        assert len(found.detail) < 400
        assert isinstance(read_stream(server), client.EndpointError)


@pytest.mark.parametrize("part", [b"HTTP/1.1 100 Continue\r\n\r\n", b"H"])
def test_an_answer_that_never_begins_ends_in_time(part):
    def drip(_):
        while True:
            yield part
            time.sleep(0.01)

    with raw_server(drip) as server:
        found = ask(server, timeout_s=0.3)
        assert found.kind in ("timeout", "connection")

        async def stream():
            endpoint = client.Endpoint(url=server.url, answer_s=0.3)
            async with client.AsyncChatClient(endpoint) as own, own.stream(_QUESTION):
                pass

        with pytest.raises(client.EndpointError):
            asyncio.run(stream())


def test_no_redirect_is_followed_with_the_key(monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-secret-of-mine")
    with raw_server(reply(completion())) as other:
        moved = reply(b"", "307 Temporary Redirect", Location=f"{other.url}/chat/completions")
        with raw_server(moved) as server:
            with pytest.raises(PaloError, match="not the address of a chat endpoint"):
                ask(server, key_env="A_KEY")
            read_stream(server, api_key="sk-secret-of-mine")
            assert server.requests
        assert other.requests == []


def _bomb(encodings: str) -> bytes:
    """256 MiB of zeros within some hundred bytes."""
    packer = zlib.compressobj(1, wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    if encodings == "gzip, gzip":
        packed = gzip.compress(packed)
    return reply(packed, Content_Encoding=encodings, Content_Type="text/event-stream")


_PREPARE = """
import asyncio
from palo.endpoint.caller import Caller
from palo.endpoint.settings import EndpointSettings
from palo.errors import PaloError
from palo import client as palo

async def ask():
    async with Caller(EndpointSettings(url=sys.argv[1], model="m", attempts=1)) as caller:
        return await caller.call({"messages": []})

def stream():
    with client.stream(question) as answer:
        list(answer)

question = palo.ChatQuestion(model="m", messages=(palo.user("?"),))
client = palo.ChatClient(palo.Endpoint(url=sys.argv[1]))
"""
_READERS = {
    "bulk": "asyncio.run(ask())",
    "models": "client.models()",
    "answer": "client.answer(question)",
    "stream": "stream()",
}


def _grown_mib(url: str, reader: str) -> float:
    code = f"try:\n    {_READERS[reader]}\nexcept PaloError:\n    pass"
    return grown_mib(_PREPARE, code, url)


@pytest.mark.parametrize("reader", _READERS)
@pytest.mark.parametrize("encodings", ["gzip", "gzip, gzip"])
def test_a_compressed_bomb_stays_small(reader, encodings):
    with raw_server(_bomb(encodings)) as server:
        assert _grown_mib(server.url, reader) < 64


ENDLESS = {
    "one line": b"data: " + b"x" * 65536,
    "words": event(b'{"content": "%s"}' % (b"word " * 2000)),
    "comments": b": " + b"x" * 65536 + b"\n",
}


@pytest.mark.parametrize("part", ENDLESS.values(), ids=ENDLESS)
def test_a_stream_without_end_ends_in_bounded_memory(part):
    def answer(_):
        yield stream_head(Content_Type="text/event-stream")
        start = part if b"\n" in part else b"data: "
        yield start
        while True:
            yield part.removeprefix(b"data: ") if b"\n" not in part else part

    with raw_server(answer) as server:
        assert read_stream(server).code == client.ClientErrorCode.NOT_UNDERSTOOD
        assert _grown_mib(server.url, "stream") < 96


def test_a_stream_that_goes_on_in_drops_ends_in_time():
    def answer(_):
        yield stream_head()
        while True:
            yield b": still there\n"
            time.sleep(0.01)

    with raw_server(answer) as server:
        assert read_stream(server, answer_s=0.3).code == "timeout"


EVENTS = {
    "brackets": b"data: " + _DEEP + b"\n\n",
    "a choice of text": b'data: {"choices": ["x"]}\n\n',
    "a delta of text": event(b'"x"'),
    "a content of numbers": event(b'{"content": 7}'),
    "a content of brackets": event(b'{"content": %s}' % _NESTED),
    "a reason of brackets": b'data: {"choices": [{"delta": {}, "finish_reason": [1]}]}\n\n',
    "a model of brackets": event(b"{}", b', "model": [[]]'),
    "half a surrogate pair": event(b'{"content": "\\udfff"}'),
    "no UTF-8": event(b'{"content": "\xff"}'),
}


@pytest.mark.parametrize("data", EVENTS.values(), ids=EVENTS)
def test_an_event_of_the_wrong_kind_is_a_typed_error(data):
    with raw_server(stream_head() + data) as server:
        found = read_stream(server)
    assert found.code == client.ClientErrorCode.NOT_UNDERSTOOD
    assert len(str(found)) < 700


@pytest.mark.parametrize("error", [_NESTED, b'"no"', b'{"message": [1], "code": {}}', b"7"])
def test_an_error_of_any_kind_is_a_typed_error(error):
    with raw_server(stream_head() + b'data: {"error": %s}\n\n' % error) as server:
        assert "refuses the request" in str(read_stream(server))
    for status in ("400 Bad", "500 Bad"):
        with raw_server(reply(b'{"error": %s}' % error, status)) as server:
            assert "refuses the request" in str(read_stream(server))


@pytest.mark.parametrize(
    "usage", [b'{"prompt_tokens": "many"}', b'{"completion_tokens": [1]}', b"7"]
)
def test_a_usage_of_any_kind_spoils_no_answer(usage):
    end = b"data: [DONE]\n\n"
    data = event(b'{"content": "fine"}', b', "usage": %s' % usage)
    with (
        raw_server(stream_head() + data + end) as server,
        client.ChatClient(client.Endpoint(url=server.url)) as own,
        own.stream(_QUESTION) as answer,
    ):
        assert "".join(answer) == "fine"


def test_reading_a_stream_costs_the_same_for_each_byte_however_it_is_cut():
    def read(size):
        reading = client.answers.AnswerReader()
        for _ in range(size // 16):
            list(reading.feed(b"x" * 16))

    assert_linear_in_bytes(lambda size: partial(read, size))


WORDS = {
    "brackets": "[" * 200_000,
    "objects": '{"first":' * 50_000,
    "a score of 400 digits": json.dumps({"first": 10**400, "second": 1, "reason": ""}),
    "a broken reason": '{"first": 7, "second": 8, "reason": "\\ud800"}',
}


def _item(name: str) -> BenchItem:
    return BenchItem(
        question_id=name,
        language="en",
        image=Path("a.jpg"),
        category="conv",
        question=name,
        references=("reference",),
        context=("a hill",),
    )


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_judge_that_says_anything_costs_one_question(completions, tmp_path, words):
    good = json.dumps({"first": 7, "second": 8, "reason": "Because."})
    completions.answer = lambda body, number: words if "odd" in str(body) else good
    items = [_item("odd"), _item("even")]
    answers = {item.key: ModelAnswer(key=item.key, text="yes") for item in items}
    settings = JudgeSettings(
        endpoint=EndpointSettings(url=completions.url, model="j", first_wait_s=0.0)
    )
    found = judge(items, answers, settings, tmp_path / "kept.jsonl")
    assert [one.key for one in found.judged.scored] == [items[1].key]
    assert list(found.judged.unscored) == [items[0].key]


def test_a_judge_with_a_long_breath_fills_no_disk(completions, tmp_path):
    good = json.dumps({"first": 7, "second": 8, "reason": "because " * 100_000})
    completions.answer = lambda body, number: good
    item = _item("even")
    settings = JudgeSettings(endpoint=EndpointSettings(url=completions.url, model="j"))
    kept = tmp_path / "kept.jsonl"
    found = judge([item], {item.key: ModelAnswer(key=item.key, text="yes")}, settings, kept)
    assert len(found.judged.scored) == 1
    assert kept.stat().st_size < 50_000


def test_an_error_that_repeats_the_key_does_not_show_it(monkeypatch):
    key = "sk-secret-of-mine-0123"
    monkeypatch.setenv("A_KEY", key)

    def echo(head):
        said = head.decode("latin-1")
        yield reply(json.dumps({"error": {"message": said}}).encode(), "400 Bad Request")

    with raw_server(echo) as server:
        found = ask(server, key_env="A_KEY")
        assert key.encode() in server.requests[0]
        assert "sk-secret" not in found.detail
        error = read_stream(server, api_key=key)
        assert "sk-secret" not in str(error) + repr(error)

    def echo_in_stream(head):
        said = json.dumps({"error": {"message": head.decode("latin-1")}})
        yield stream_head() + f"data: {said}\n\n".encode()

    with raw_server(echo_in_stream) as server:
        error = read_stream(server, api_key=key)
        assert "POST /v1" in error.seen
        assert "sk-secret" not in error.seen
    with raw_server(lambda head: [reply(head)]) as server:
        assert "sk-secret" not in repr(ask(server, key_env="A_KEY"))
    with (
        raw_server(lambda head: [reply(head, "401 No")]) as server,
        pytest.raises(PaloError) as own,
    ):
        ask(server, key_env="A_KEY")
    assert "sk-secret" not in str(own.value)
