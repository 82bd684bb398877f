import json

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.chat_request import ProtocolBounds, read_request, sampling_from

BOUNDS = ProtocolBounds()
QUESTION = [{"role": "user", "content": "What is this?"}]


def read(bounds=BOUNDS, **values):
    body = {"model": "palo", "messages": QUESTION} | values
    return read_request(json.dumps(body).encode(), bounds)


def refused(bounds=BOUNDS, code=APIErrorCode.INVALID_REQUEST, **values):
    with pytest.raises(APIError) as caught:
        sampling_from(read(bounds, **values), bounds)
    assert caught.value.code is code
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
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(values, param):
    refusal = refused(**values)
    assert (refusal.param or "").startswith(param)
    assert len(refusal.message) < 400
    assert "pydantic" not in refusal.message


def test_what_stands_in_front_of_a_body_is_no_part_of_it():
    body = json.dumps({"model": "palo", "messages": QUESTION}).encode("utf-8-sig")
    assert read_request(body, BOUNDS).model == "palo"


def test_text_that_is_no_unicode_is_called_so():
    with pytest.raises(APIError, match="no whole character"):
        read_request(b'{"model": "\\ud83d"}', BOUNDS)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([{"role": "user", "content": "x" * 200_001}], "200000 characters together: 200001"),
        ([{"role": "system", "content": "x" * 150_000}, *QUESTION, {"role": "assistant",
          "content": "y" * 150_000}, *QUESTION], "characters together: 300026"),
        (QUESTION * 300, "at most 256 messages: 300"),
        ([1] * 300, "at most 256 messages: 300"),
    ],
)  # fmt: skip
def test_a_conversation_that_is_too_long_has_the_code_that_makes_clients_shorten_it(messages, told):
    refusal = refused(code=APIErrorCode.CONTEXT_LENGTH_EXCEEDED, messages=messages)
    assert told in refusal.message
    assert "prompt is too long" in refusal.message  # some clients look for these words
    assert refusal.param == "messages"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff", b'{"model": "\\ud800"}'])
def test_what_is_no_request_is_refused(body):
    with pytest.raises(APIError) as caught:
        read_request(body, BOUNDS)
    assert caught.value.code is APIErrorCode.INVALID_REQUEST


def test_counts_come_before_everything_else():
    assert "at most 64 fields: 82" in refused(**{f"field{n}": 0 for n in range(80)}).message
    crowd = [{"role": "user", "content": [1] * 1100}]
    assert "at most 1024 parts together" in refused(messages=crowd).message


def test_of_many_faults_the_first_is_told():
    assert refused(messages=[{"role": "x"}] * 200).param == "messages[0].role"
    many = [{"role": "user", "content": [{"type": "text"}] * 900}]
    assert refused(messages=many).param == "messages[0].content[0].text"
    assert refused(modalities=["x"] * 10_000).param == "modalities[0]"
    assert (refused(stop=["x"] * 10_000).param or "").startswith("stop")
