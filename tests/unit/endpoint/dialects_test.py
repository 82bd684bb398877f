"""Servers that speak other dialects of OpenAI's API, each over real HTTP."""

import asyncio
import json

import pytest

from palo.endpoint.caller import Caller, run_concurrently
from palo.endpoint.replies import Failure, Reply
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError

BODY = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
    "max_tokens": 4096,
    "temperature": 0.0,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
}


def error(message, status=400, **fields):
    return status, {"error": {"message": message, "type": "invalid_request_error", **fields}}


def has_system(body):
    return any(one["role"] == "system" for one in body["messages"])


def format_of(body):
    return body.get("response_format", {}).get("type")


def openai_reasoning(body):
    if "max_tokens" in body:
        return error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.", param="max_tokens", code="unsupported_parameter",
        )  # fmt: skip
    if body.get("temperature", 1) != 1:
        return error(
            "Unsupported value: 'temperature' does not support 0 with this model. Only the "
            "default (1) value is supported.", param="temperature", code="unsupported_value",
        )  # fmt: skip
    return None


def openai_o1_mini(body):
    if has_system(body):
        return error(
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            param="messages[0].role", code="unsupported_value",
        )  # fmt: skip
    return openai_reasoning(body)


def fastapi_strict(body):
    extra = [name for name in ("response_format", "temperature") if name in body]
    detail = [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted",
         "input": "context length and moderation"}
        for name in extra
    ]  # fmt: skip
    return (422, {"detail": detail}) if extra else None


def mistral_form(body):
    if format_of(body) == "json_schema":
        detail = [{"loc": ["body", "response_format", "type"], "msg": "not a valid enumeration"}]
        return 422, {"object": "error", "message": {"detail": detail}}
    return None


def deepseek(body):
    if format_of(body) == "json_schema":
        return error("This response_format type is unavailable now")
    return None


def no_json_mode(body):
    if "response_format" in body:
        return error("Structured output is not supported for this model.", status=501)
    return None


def gemma_template(body):
    return error("System role not supported", status=500) if has_system(body) else None


def google_gemma(body):
    if has_system(body):
        message = "Developer instruction is not enabled for models/gemma-3-27b-it"
        return 400, [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}]
    return None


def wants_developer(body):
    if has_system(body):
        return error("The role system is unknown: use 'developer' instead.", param="messages")
    return None


def text_generation_inference(body):
    if body.get("temperature") == 0:
        return 422, {
            "error": "Input validation error: `temperature` must be strictly positive",
            "error_type": "validation",
        }
    return None


def small_answers(body):
    if body.get("max_tokens", 0) > 1024:
        return error(f"max_tokens is too large: {body['max_tokens']}. At most 1024 are allowed.")
    return None


def vllm_small_context(body):
    if body["max_tokens"] > 3800:
        return error(
            "This model's maximum context length is 4096 tokens. However, you requested "
            f"{296 + body['max_tokens']} tokens (296 in the messages, {body['max_tokens']} in the "
            "completion). Please reduce the length of the messages or completion."
        )
    return None


def alibaba(body):
    if body.get("enable_thinking", True):
        return error("parameter.enable_thinking must be set to false for non-streaming calls")
    return None


def relayed(body):
    if "max_tokens" in body:
        raw = json.dumps({"error": {"message": "Unsupported parameter: 'max_tokens'"}})
        return error("Provider returned error", code=400, metadata={"raw": raw})
    return None


def relayed_with_200(body):
    if "max_tokens" in body:
        return 200, {"error": {"message": "Unsupported parameter: 'max_tokens'", "code": 400}}
    return None


def silent_about_temperature(body):
    return (400, b"") if "temperature" in body else None


def silent_about_everything(body):
    wrong = {"temperature", "max_tokens", "response_format"} & set(body)
    return (400, b"<html>Bad Request</html>") if wrong or has_system(body) else None


# The server, and the most requests that learning its dialect may take.
DIALECTS = {
    openai_reasoning: 3, openai_o1_mini: 4, fastapi_strict: 4, mistral_form: 2, deepseek: 2,
    no_json_mode: 3, gemma_template: 2, google_gemma: 2, wants_developer: 2,
    text_generation_inference: 2, small_answers: 3, vllm_small_context: 2, alibaba: 2, relayed: 2,
    relayed_with_200: 2, silent_about_temperature: 4, silent_about_everything: 7,
}  # fmt: skip


def ask(server, times, body=BODY, **changes):
    endpoint = EndpointSettings(
        **({"url": server.url, "model": "m", "first_wait_s": 0.0, "attempts": 1} | changes)
    )
    found = []

    async def run():
        async with Caller(endpoint) as caller:

            async def one(number):
                found.append(await caller.call(body))

            await run_concurrently(range(times), one, in_flight=endpoint.in_flight)

    asyncio.run(run())
    return found


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.__name__)
def test_a_dialect_is_learnt_by_the_first_request_and_spoken_by_all(completions, dialect):
    completions.answer = lambda body, number: dialect(body) or "fine"
    found = ask(completions, 10)
    assert [reply.text for reply in found] == ["fine"] * 10
    if dialect is vllm_small_context:  # each question leaves room of its own
        assert len(completions.bodies) == 20
        return
    learnt = len(completions.bodies) - 9
    assert learnt <= DIALECTS[dialect]
    assert all(dialect(body) is None for body in completions.bodies[learnt - 1 :])


def test_nothing_is_left_out_that_the_server_takes(completions):
    completions.answer = lambda body, number: openai_reasoning(body) or "fine"
    ask(completions, 2)
    last = completions.bodies[-1]
    assert last["max_completion_tokens"] == 4096
    assert last["response_format"] == BODY["response_format"]
    assert last["messages"] == BODY["messages"]
    assert "temperature" not in last


def test_the_words_of_the_system_are_never_lost(completions):
    completions.answer = lambda body, number: gemma_template(body) or "fine"
    ask(completions, 1)
    assert completions.bodies[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHi."}]


def test_what_is_said_otherwise_is_told_once(completions, caplog):
    completions.answer = lambda body, number: openai_reasoning(body) or "fine"
    ask(completions, 5)
    (told,) = caplog.messages
    assert "max_completion_tokens; no temperature is sent" in told


def test_a_busy_server_is_not_taken_for_one_of_another_dialect(completions):
    limit = error("Rate limit reached: reduce max_tokens or temperature", status=429)
    completions.answer = lambda body, number: "fine" if number else limit
    (reply,) = ask(completions, 1, attempts=2)
    assert reply.text == "fine"
    assert completions.bodies[0] == completions.bodies[1]


def test_a_refusal_of_one_text_changes_nothing_for_the_others(completions):
    odd = BODY | {"messages": [{"role": "user", "content": "odd"}]}
    refusal = error("Blocked by content policy; temperature", code="content_filter")
    completions.answer = lambda body, number: refusal if "odd" in str(body) else "fine"
    endpoint = EndpointSettings(url=completions.url, model="m", attempts=1)

    async def run():
        async with Caller(endpoint) as caller:
            return [await caller.call(one) for one in (BODY, odd, BODY)]

    first, second, third = asyncio.run(run())
    assert isinstance(first, Reply)
    assert isinstance(second, Failure)
    assert second.kind == "filtered"
    assert isinstance(third, Reply)
    assert completions.bodies[2] == completions.bodies[0] | {"model": "m"}


CREDIT = {
    "Payment Required": (402, b"Payment Required"),
    "OpenAI": error("You exceeded your current quota", 429, code="insufficient_quota"),
    "OpenAI, not active": error("Your account is not active", 429, code="billing_not_active"),
    "Anthropic": error("Your credit balance is too low to access the Anthropic API."),
    "DeepSeek": error("Insufficient Balance", 402),
    "OpenRouter": error("This request requires more credits, or fewer max_tokens.", 402),
    "OpenRouter with 200": (200, {"error": {"message": "Insufficient credits", "code": 402}}),
    "xAI": (403, {"code": "forbidden", "error": "Your team has run out of credits."}),
    "Alibaba": error("Access denied, good standing", code="Arrearage"),
    "Zhipu": error("\u60a8\u7684\u8d26\u6237\u4f59\u989d\u4e0d\u8db3", 429, code="1113"),
}


@pytest.mark.parametrize("answer", CREDIT.values(), ids=CREDIT)
def test_an_account_without_credit_ends_the_run_at_once(completions, answer):
    completions.answer = lambda body, number: answer
    with pytest.raises(ConfigError, match="wants money"):
        ask(completions, 50, attempts=4)
    assert len(completions.bodies) == 1


STOPS = {
    "a wrong key": (error("Incorrect API key provided", 401), "refuses the API key"),
    "a wrong key as 400": (error("API key not valid. Pass a valid one."), "refuses the API key"),
    "no permission": (error("Not allowed in your region", 403), "refuses access"),
    "no such model": (error("The model `m` does not exist", 404), "has no model m"),
    "no such model as 400": (error("Model Not Exist"), "has no model m"),
    "no such path": ((404, b"404 page not found"), "has no model m"),
    "no such method": ((405, {"detail": "Method Not Allowed"}), "not the address of a chat"),
    "moved": ((301, b"", {"Location": "https://other/v1"}), "not the address.*https://other/v1"),
}


@pytest.mark.parametrize(("answer", "message"), STOPS.values(), ids=STOPS)
def test_what_every_request_would_meet_ends_the_run_at_once(completions, answer, message):
    completions.answer = lambda body, number: answer
    with pytest.raises(ConfigError, match=message):
        ask(completions, 50, attempts=4)
    assert len(completions.bodies) == 1


def test_a_ban_amid_answers_is_one_text_s(completions):
    banned = error("Your input was blocked by the firewall", 403)
    completions.answer = lambda body, number: banned if number == 3 else "fine"
    found = ask(completions, 8, in_flight=1)
    assert [one.kind for one in found if isinstance(one, Failure)] == ["refused"]
    assert sum(isinstance(one, Reply) for one in found) == 7
