import json

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.chat_request import ProtocolBounds, read_request, sampling_from

BOUNDS = ProtocolBounds()
QUESTION = [{"role": "user", "content": "What is this?"}]


def read(bounds=BOUNDS, **values):
    body = {"model": "palo", "messages": QUESTION} | values
    return read_request(json.dumps(body).encode(), bounds)


def refused(bounds=BOUNDS, **values):
    with pytest.raises(APIError) as caught:
        sampling_from(read(bounds, **values), bounds)
    assert caught.value.code is APIErrorCode.INVALID_REQUEST
    return caught.value


def test_a_whole_request_is_read():
    request = read(
        temperature=1,
        top_p=0.5,
        top_k=7,
        repetition_penalty=1.5,
        seed=3,
        stop="END",
        logprobs=True,
        top_logprobs=2,
        max_completion_tokens=9,
        max_tokens=5,
        language="bn",
        n=2,
    )
    sampling = sampling_from(request, BOUNDS)
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (1.0, 0.5, 7)
    assert (sampling.repetition_penalty, sampling.seed, sampling.stop) == (1.5, 3, ("END",))
    assert (sampling.num_logprobs, sampling.max_tokens) == (2, 9)
    assert (request.language, request.n) == ("bn", 2)


def test_what_isnt_said_has_defaults():
    sampling = sampling_from(read(), BOUNDS)
    assert (sampling.temperature, sampling.max_tokens) == (0.0, BOUNDS.default_max_tokens)
    assert (sampling.num_logprobs, sampling.stop) == (None, ())
    assert sampling_from(read(logprobs=True), BOUNDS).num_logprobs == 0


def test_fields_of_openai_that_change_nothing_are_taken():
    request = read(user="me", store=False, metadata={"a": "b"}, tools=[], presence_penalty=0.0)
    assert request.messages[0].text == "What is this?"


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 99}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"max_completion_tokens": 10**9}, "max_completion_tokens"),
        ({"seed": 2**70}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": [1]}, "stop"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"language": "xx"}, "language"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]},
         "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
         "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "user", "content": "x" * 300_000}]}, "messages"),
        ({"messages": QUESTION * 300}, "messages"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(values, param):
    refusal = refused(**values)
    assert (refusal.param or "").startswith(param)
    assert len(refusal.message) < 400
    assert "pydantic" not in refusal.message


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff", b'{"model": "\\ud800"}'])
def test_what_is_no_request_is_refused(body):
    with pytest.raises(APIError) as caught:
        read_request(body, BOUNDS)
    assert caught.value.code is APIErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"messages": QUESTION * 300}, "at most 256 messages: 300"),
        ({"messages": [1] * 300}, "at most 256 messages: 300"),
        ({"messages": [{"role": "user", "content": [1] * 1100}]}, "at most 1024 parts together"),
        ({f"field{n}": 0 for n in range(80)}, "at most 64 fields: 82"),
    ],
)
def test_counts_come_before_everything_else(values, told):
    assert told in refused(**values).message


def test_of_many_faults_the_first_is_told():
    assert refused(messages=[{"role": "x"}] * 200).param == "messages[0].role"
    many = [{"role": "user", "content": [{"type": "text"}] * 900}]
    assert refused(messages=many).param == "messages[0].content[0].text"
    assert refused(modalities=["x"] * 10_000).param == "modalities[0]"
    assert (refused(stop=["x"] * 10_000).param or "").startswith("stop")
