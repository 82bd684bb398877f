import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from palo.inference.request import TokenUsage
from palo.serve.protocol.bodies import DONE, CompletionWriter, event, models_body
from palo.serve.protocol.generate import Delta, TokenText

TAKEN = TokenUsage(
    prompt_tokens=600,
    completion_tokens=3,
    cached_tokens=512,
    queue_s=0.0,
    first_token_s=0.1,
    total_s=0.2,
)
PIECES = (
    Delta(choice=0, text="Ein "),
    Delta(choice=1, text="Two", finish="length", usage=TAKEN),
    Delta(choice=0, text="Kreis", finish="stop", usage=TAKEN),
)


@pytest.fixture
def writer():
    return CompletionWriter("palo", 2)


def test_a_whole_answer(writer):
    for piece in PIECES:
        writer.add(piece)
    answer = ChatCompletion.model_validate(writer.whole(), strict=True)
    assert [choice.message.content for choice in answer.choices] == ["Ein Kreis", "Two"]
    assert [choice.finish_reason for choice in answer.choices] == ["stop", "length"]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (600, 6)
    assert answer.usage.total_tokens == 606
    assert answer.usage.prompt_tokens_details.cached_tokens == 512
    assert answer.choices[0].logprobs is None


def test_chunks_say_the_same(writer):
    chunks = writer.opening()
    for piece in PIECES:
        writer.add(piece)
        chunks += writer.chunks(piece)
    chunks.append(writer.usage_chunk())
    read = [ChatCompletionChunk.model_validate(chunk, strict=True) for chunk in chunks]
    texts, finishes = ["", ""], [None, None]
    for chunk in read[:-1]:
        (choice,) = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        finishes[choice.index] = choice.finish_reason or finishes[choice.index]
    assert (texts, finishes) == (["Ein Kreis", "Two"], ["stop", "length"])
    assert [chunk.choices[0].delta.role for chunk in read[:2]] == ["assistant", "assistant"]
    assert read[-1].choices == []
    assert read[-1].usage.total_tokens == 606
    assert len({chunk.id for chunk in read}) == 1


def test_logprobs_are_told_with_their_bytes():
    writer = CompletionWriter("palo", with_logprobs=True)
    half = "ক".encode()[:2]
    writer.add(Delta(tokens=(TokenText(data=half, logprob=-0.5, top=((b"a", -1.0),)),)))
    writer.add(Delta(text="x", finish="stop", usage=TAKEN))
    answer = ChatCompletion.model_validate(writer.whole(), strict=True)
    (token,) = answer.choices[0].logprobs.content
    assert (token.bytes, token.logprob) == (list(half), -0.5)
    assert token.top_logprobs[0].token == "a"


def test_chunks_name_the_version_that_wrote_them(writer):
    versions = []
    for version in ("fp_1", "fp_2"):
        writer.set_version(version)
        versions += [chunk["system_fingerprint"] for chunk in writer.chunks(PIECES[0])]
    assert versions == ["fp_1", "fp_2"]


def test_events_are_lines_of_json():
    assert event({"a": "ক"}) == 'data: {"a":"ক"}\n\n'.encode()
    assert DONE == b"data: [DONE]\n\n"


def test_models_are_listed():
    body = models_body(["a", "b"], 5, {"a": "palo-0123456789ab"})
    assert [model["id"] for model in body["data"]] == ["a", "b"]
    assert body["data"][0]["created"] == 5
    assert body["data"][0]["lineage"] == "palo-0123456789ab"
    assert "lineage" not in body["data"][1]
