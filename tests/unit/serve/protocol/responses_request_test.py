import json

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.chat_request import ProtocolBounds, sampling_from
from palo.serve.protocol.conversation import read_conversation
from palo.serve.protocol.dialects import read_responses

BOUNDS = ProtocolBounds()
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
EARLIER = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "A circle.", "annotations": [], "logprobs": []}],
}


def read(**values):
    return read_responses(json.dumps({"model": "palo", "input": "Hi"} | values).encode(), BOUNDS)


def conversation(asked, max_images=2):
    return read_conversation(asked.chat.messages, asked.chat.language, max_images, asked.paths)


def refused(**values):
    with pytest.raises(APIError) as caught:
        conversation(read(**values))
    return caught.value


def test_a_text_is_the_users_message():
    asked = read(instructions="Be brief.", max_output_tokens=9, temperature=0.5, language="bn")
    found = conversation(asked).conversation
    assert (found.system, found.turns[0].text.split("\n")[0]) == ("Be brief.", "Hi")
    sampling = sampling_from(asked.chat, BOUNDS)
    assert (sampling.max_tokens, sampling.temperature, sampling.num_logprobs) == (9, 0.5, None)
    assert asked.paths == ("instructions", "input")


def test_a_conversation_with_an_image_and_an_earlier_answer():
    asked = read(
        input=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "input_text", "text": "What?"}, IMAGE]},
            EARLIER,
            {"type": "message", "role": "user", "content": "Which colour?"},
        ]
    )
    found = conversation(asked)
    assert found.conversation.system == "Be brief."
    assert [turn.text for turn in found.conversation.turns] == [
        "What?",
        "A circle.",
        "Which colour?",
    ]
    (image,) = found.images
    assert image.param == "input[1].content[1].image_url"


def test_fields_that_change_nothing_are_taken():
    asked = read(
        store=False, tools=[], tool_choice="auto", parallel_tool_calls=True, user="me",
        metadata={"a": "b"}, service_tier="auto", truncation="disabled", background=False,
        reasoning={"effort": None}, previous_response_id=None, prompt_cache_key="k",
        text={"format": {"type": "text"}, "verbosity": "medium"},
        include=["reasoning.encrypted_content"], stream_options={"include_obfuscation": False},
    )  # fmt: skip
    assert not asked.chat.logprobs


def test_logprobs_are_included_when_asked_for():
    asked = read(include=["message.output_text.logprobs"], top_logprobs=2)
    assert sampling_from(asked.chat, BOUNDS).num_logprobs == 2


@pytest.mark.parametrize(
    ("values", "param", "told"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "send the whole conversation"),
        ({"store": True}, "store", "aren't stored"),
        ({"conversation": "conv_1"}, "conversation", "aren't stored"),
        ({"background": True}, "background", "Use a stream"),
        ({"prompt": {"id": "p"}}, "prompt", "aren't stored"),
        ({"tools": [{"type": "web_search"}]}, "tools", "text alone"),
        ({"tool_choice": "required"}, "tool_choice", "text alone"),
        ({"reasoning": {"effort": "high"}}, "reasoning", "answer at once"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.type", "JSON"),
        ({"text": {"verbosity": "low"}}, "text.verbosity", "in words"),
        ({"truncation": "auto"}, "truncation", "oldest turns"),
        ({"metadata": {"a": 1}}, "metadata", "at most 16 texts"),
        ({"metadata": [1]}, "metadata", "at most 16 texts"),
        ({"max_output_tokens": 0}, "max_output_tokens", "greater than or equal to 1"),
        ({"max_output_tokens": 10**9}, "max_output_tokens", "max_output_tokens is at most 8192"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"language": "xx"}, "language", "one of en"),
        ({"input": None}, "input", "wrong"),
        ({"input": ""}, "input", "empty"),
        ({"input": []}, "input", "empty"),
        ({"input": [1]}, "input[0]", "wrong"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].type",
         "messages: function_call_output"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input[0].type", "are messages"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
         "input[0].content[0]", "input_text"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
         "input[0].content[0]", "input_image"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
         "input[0].content[0].image_url", "field required"),
        ({"input": [EARLIER]}, "input[0].role", "begins with the user's"),
        ({"input": [{"role": "user", "content": "x"}, EARLIER]}, "input[1].role", "last message"),
        ({"instructions": "x", "input": [{"role": "user", "content": "x"}, EARLIER]},
         "input[1].role", "last message"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(values, param, told):
    refusal = refused(**values)
    assert refusal.code is APIErrorCode.INVALID_REQUEST
    assert refusal.param == param
    assert told in refusal.message
    assert "max_completion_tokens" not in refusal.message


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"input": "x" * 200_001}, "context_length_exceeded"),
        ({"input": [{"role": "user", "content": "x"}] * 300}, "context_length_exceeded"),
        ({"input": [{"role": "user", "content": [IMAGE] * 3}]}, "too_many_images"),
    ],
)
def test_what_is_too_much_has_a_code_of_its_own(values, code):
    refusal = refused(**values)
    assert (refusal.code, refusal.param) == (code, "input")


def test_of_many_faults_the_first_is_told():
    assert refused(input=[{"role": "x"}] * 200).param == "input[0].role"
    assert (refused(include=[1] * 10_000).param or "").startswith("include")
