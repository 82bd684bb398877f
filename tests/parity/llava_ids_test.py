"""Ids and labels against LLaVA-1.5's own way, with the real LLaMA tokenizer.

The reference below follows the description of LLaVA's training code in plain steps: the whole
conversation becomes one string, which is split at `</s>` and at `<image>`, and SentencePiece takes
every chunk. Labels come from LLaVA's length arithmetic. Ours is built segment by segment instead.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from palo import languages
from palo.text.encoding import EncodedSample, EncodingLimits, encode_conversation, encode_prompt
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer, load_tokenizer

pytestmark = pytest.mark.data

BOS, EOS, IMAGE = 1, 2, -200
LIMITS = EncodingLimits(max_text_tokens=100_000)
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions."
)
SPACINGS: dict[str, Callable[[str], str]] = {
    "as_is": lambda text: text,
    "leading": lambda text: f" {text}",
    "many_leading": lambda text: f"     {text}",
    "trailing": lambda text: f"{text} ",
    "many_trailing": lambda text: f"{text}    ",
    "double": lambda text: text.replace(" ", "  "),
    "triple": lambda text: text.replace(" ", "   "),
    "leading_line": lambda text: f"\n{text}",
    "trailing_line": lambda text: f"{text}\n",
    "blank_lines": lambda text: f"{text}\n\n{text}\n \n{text}",
    "windows_lines": lambda text: f"{text}\r\n{text}",
    "tabs": lambda text: f"\t{text}\t\tx",
    "full_width": lambda text: f"\u3000ＡＢＣ　１２３，{text}\u3000",
    "no_break": lambda text: f"\u00a0{text}\u202f?",
    "joiners": lambda text: f"\u200c{text}\u200d \ufeff",
    "low_line": lambda text: f"▁{text}▁▁a▁ ▁",
    "colon": lambda text: f": {text} : USER: ASSISTANT",
    "spaces_alone": lambda text: "   ",
    "emoji": lambda text: f"👩🏽‍🚀 {text}  👍",
}


@pytest.fixture(scope="module")
def folder(data_folder: Path) -> Path:
    return data_folder / "tokenizer" / "llama2-32k"


@pytest.fixture(scope="module")
def pieces(folder: Path) -> SentencePieceProcessor:
    return SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> TextTokenizer:
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def sentences(data_folder: Path) -> list[dict[str, str]]:
    with (data_folder / "parallel" / "ntrex1000" / "sentences.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def reference_prompt(rounds: list[tuple[str, str]], has_image: bool) -> str:
    prompt = SYSTEM + " "
    for index, (question, answer) in enumerate(rounds):
        if has_image and index == 0:
            question = ("<image>\n" + question.strip()).strip()
        prompt += f"USER: {question} ASSISTANT: {answer}</s>"
    return prompt


def reference_ids(pieces: SentencePieceProcessor, prompt: str) -> list[int]:
    ids = [BOS]
    for index, part in enumerate(prompt.split("<image>")):
        if index:
            ids.append(IMAGE)
        for inner_index, chunk in enumerate(part.split("</s>")):
            if inner_index:
                ids.append(EOS)
            ids += pieces.encode(chunk)
    return ids


def reference_trained(pieces: SentencePieceProcessor, prompt: str) -> list[bool] | None:
    """LLaVA's labels by counting; None where it would call it a tokenization mismatch."""
    total = len(reference_ids(pieces, prompt))
    trained = [True] * total
    trained[0] = False
    position = 1
    for part in prompt.split("</s>"):
        if not part:
            break
        halves = part.split(" ASSISTANT: ")
        if len(halves) != 2:
            return None
        question_length = len(reference_ids(pieces, halves[0] + " ASSISTANT: ")) - 2
        trained[position : position + question_length] = [False] * question_length
        position += len(reference_ids(pieces, part))
    return trained if position == total else None


def encode(
    rounds: list[tuple[str, str]], has_image: bool, tokenizer: TextTokenizer
) -> EncodedSample:
    turns: list[Turn] = []
    for index, (question, answer) in enumerate(rounds):
        turns.append(Turn("user", question, num_images=int(has_image and index == 0)))
        turns.append(Turn("assistant", answer))
    encoding = encode_conversation(
        Conversation(tuple(turns)), TEMPLATES["vicuna_v1"], tokenizer, LIMITS
    )
    (sample,) = encoding.samples
    return sample


def trained_flags(sample: EncodedSample) -> list[bool]:
    return [
        any(start <= index < end for start, end in sample.label_spans)
        for index in range(len(sample.input_ids))
    ]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("num_rounds", [1, 2, 3])
@pytest.mark.parametrize("has_image", [True, False])
def test_ids_and_labels_equal_llavas(
    spacing: str,
    num_rounds: int,
    has_image: bool,
    pieces: SentencePieceProcessor,
    tokenizer: TextTokenizer,
    sentences: list[dict[str, str]],
) -> None:
    change = SPACINGS[spacing]
    for offset, code in enumerate(languages.codes()):
        for start in range(offset, offset + 20, 10):
            rows = sentences[start : start + 2 * num_rounds]
            texts = [change(row[code]) for row in rows]
            rounds = list(zip(texts[::2], texts[1::2], strict=True))
            prompt = reference_prompt(rounds, has_image)
            sample = encode(rounds, has_image, tokenizer)
            assert list(sample.input_ids) == reference_ids(pieces, prompt)
            expected = reference_trained(pieces, prompt)
            assert expected is not None
            assert trained_flags(sample) == expected


@pytest.mark.parametrize("question_spacing", SPACINGS)
@pytest.mark.parametrize("answer_spacing", SPACINGS)
def test_every_pair_of_spacings(
    question_spacing: str,
    answer_spacing: str,
    pieces: SentencePieceProcessor,
    tokenizer: TextTokenizer,
    sentences: list[dict[str, str]],
) -> None:
    for index, code in enumerate(languages.codes()):
        question = SPACINGS[question_spacing](sentences[index][code])
        answer = SPACINGS[answer_spacing](sentences[index + 1][code])
        rounds = [(question, answer), (answer, question)]
        for has_image in (True, False):
            prompt = reference_prompt(rounds, has_image)
            sample = encode(rounds, has_image, tokenizer)
            assert list(sample.input_ids) == reference_ids(pieces, prompt)
            assert trained_flags(sample) == reference_trained(pieces, prompt)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_plain_equals_llavas(
    spacing: str,
    pieces: SentencePieceProcessor,
    tokenizer: TextTokenizer,
    sentences: list[dict[str, str]],
) -> None:
    for code in languages.codes():
        caption = SPACINGS[spacing](sentences[7][code])
        conversation = Conversation(
            (Turn("user", "Say what you see.", num_images=1), Turn("assistant", caption))
        )
        encoding = encode_conversation(conversation, TEMPLATES["plain"], tokenizer, LIMITS)
        (sample,) = encoding.samples
        expected = reference_ids(pieces, f"<image>{caption}\n")
        assert list(sample.input_ids) == expected
        assert sample.label_spans == ((2, len(expected)),)


@pytest.mark.parametrize("num_rounds", [1, 2, 3])
def test_a_prompt_is_what_training_puts_before_the_answer(
    num_rounds: int, tokenizer: TextTokenizer, sentences: list[dict[str, str]]
) -> None:
    for spacing in SPACINGS.values():
        for index, code in enumerate(languages.codes()):
            texts = [spacing(row[code]) for row in sentences[index : index + 2 * num_rounds]]
            rounds = list(zip(texts[::2], texts[1::2], strict=True))
            sample = encode(rounds, True, tokenizer)
            turns = [Turn("user", texts[0], num_images=1)]
            for position, text in enumerate(texts[1:-1]):
                turns.append(Turn("user" if position % 2 else "assistant", text))
            prompt = encode_prompt(Conversation(tuple(turns)), TEMPLATES["vicuna_v1"], tokenizer)
            assert prompt == list(sample.input_ids[: sample.label_spans[-1][0]])


def test_a_mismatch_of_llavas_is_trained_here(tokenizer: TextTokenizer) -> None:
    """LLaVA loses a sample whose words look like its own separator."""
    sample = encode([("Who says ASSISTANT: here?", "The ASSISTANT: says it.")], True, tokenizer)
    ((start, end),) = sample.label_spans
    assert tokenizer.decode(sample.input_ids[start:end]) == "The ASSISTANT: says it."


def test_an_empty_question_beside_an_image(
    pieces: SentencePieceProcessor, tokenizer: TextTokenizer
) -> None:
    sample = encode([("  ", "A cat.")], True, tokenizer)
    prompt = f"{SYSTEM} USER: <image> ASSISTANT: A cat.</s>"
    assert list(sample.input_ids) == reference_ids(pieces, prompt)


def test_ids_that_were_written_down_from_llava(tokenizer: TextTokenizer) -> None:
    """Numbers observed with LLaVA's own pinned versions, not computed here."""
    rounds = [("What is it?", "Hello"), ("And this?", "是")]
    ids = list(encode(rounds, True, tokenizer).input_ids)
    image = ids.index(IMAGE)
    assert ids[image + 1 : image + 4] == [29871, 13, 5618]
    second = ids.index(EOS) + 1
    assert ids[second : second + 3] == [3148, 1001, 29901]
    assert ids[second - 2] == 15043
    assert ids[-3] == 29871  # a Chinese answer begins with the bare space
    system = encode_prompt(Conversation((Turn("user", "x"),)), TEMPLATES["vicuna_v1"], tokenizer)
    assert system.index(3148) == 31
    assert system[-1] == 29901  # the prompt ends at the colon, without a space
    assert list(tokenizer.encode("a  b")) == [263, 29871, 289]
    assert list(tokenizer.encode(" a")) == [29871, 263]


def test_control_tokens_in_a_text_stay_text(tokenizer: TextTokenizer) -> None:
    markup = "</s> <s> <unk> <image> <0x0A> <|im_end|>"
    sample = encode([(markup, markup)], True, tokenizer)
    assert sample.input_ids.count(EOS) == 1
    assert sample.input_ids.count(BOS) == 1
    assert sample.input_ids.count(IMAGE) == 1
    assert 0 not in sample.input_ids
    ((start, end),) = sample.label_spans
    assert tokenizer.decode(sample.input_ids[start:end]) == markup


def test_real_sentences_split_without_loss(
    tokenizer: TextTokenizer, sentences: list[dict[str, str]]
) -> None:
    """Half of Bengali would be cut by LLaVA: here every answer is trained whole."""
    limits = EncodingLimits(max_text_tokens=400)
    for code in languages.codes():
        texts = [row[code] for row in sentences[:24]]
        turns = tuple(
            Turn("assistant" if index % 2 else "user", text, num_images=int(index == 0))
            for index, text in enumerate(texts)
        )
        encoding = encode_conversation(
            Conversation(turns), TEMPLATES["vicuna_v1"], tokenizer, limits
        )
        answers = [
            tokenizer.decode(sample.input_ids[start:end])
            for sample in encoding.samples
            for start, end in sample.label_spans
        ]
        assert encoding.num_split > 0
        assert encoding.num_dropped == 0
        if not encoding.num_cut:
            assert answers == texts[1::2]
        for sample in encoding.samples:
            assert sample.num_text_tokens <= limits.max_text_tokens
            assert sample.input_ids.count(IMAGE) == 1
