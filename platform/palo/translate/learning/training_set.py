"""Training sets for translators: approved turns of a review, in OpenAI's and in LLaVA's format."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.errors import DataError
from palo.translate.prompts.prompt import turn_messages
from palo.translate.protected_spans.protect import protect_text
from palo.translate.request import TranslationRequest
from palo.translate.review.item import Item
from palo.translate.translated import Translated

CHAT = "chat.jsonl"
"""OpenAI's chat format, for hosted models."""
RECORDS = "records.jsonl"
"""LLaVA's format, for a corpus of our own."""
_LEARNT, _HELD_OUT = "learnt", "held_out"


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationExample:
    """One turn.

    Attributes:
        translated: The conversation, as it was translated before the review.
        turn: Number of the turn, from 0.
        wanted: The turn's words as a reviewer approved them.
        tags: Kinds of faults that the reviewer found in the conversation.
    """

    translated: Translated
    turn: int
    wanted: str
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the example."""
        return f"{self.translated.key}#{self.turn + 1}"

    @property
    def language(self) -> str:
        """ISO 639-1 code of the language that it is translated into."""
        return self.translated.language

    @property
    def source(self) -> str:
        """The words to translate."""
        return self.translated.source.turns[self.turn].text

    @property
    def draft(self) -> str:
        """The words before the review."""
        return self.translated.texts[self.turn]


def examples_of(items: Iterable[Item]) -> list[TranslationExample]:
    """Returns the turns of all approved translations, each turn of a conversation in its order.

    Args:
        items: What was reviewed.
    """
    found = []
    for item in items:
        if (approved := item.approved) is None:
            continue
        tags = tuple(sorted({tag for said in item.latest.values() for tag in said.tags}))
        found += [
            TranslationExample(translated=item.translated, turn=number, wanted=text, tags=tags)
            for number, text in enumerate(approved.texts)
        ]
    return found


def divide(
    examples: Iterable[TranslationExample], held_out_share: float, seed: int = 0
) -> tuple[list[TranslationExample], list[TranslationExample]]:
    """Divides examples into a training part and a held-out part.

    All translations of a conversation, and all conversations about an image, are on one side, and
    nothing is held out that is also learnt, such as a question that many conversations ask: a
    translator that has seen a sentence, or its neighbour, would seem better than it is.

    Args:
        examples: Any number.
        held_out_share: Share that is held out, from 0 to 1.
        seed: Seed of the draw.

    Returns:
        What to learn from, and what is held out.
    """
    learnt: list[TranslationExample] = []
    held_out: list[TranslationExample] = []
    for example in examples:
        source = example.translated.source
        digest = hashlib.sha256(f"{seed} {source.image or source.record_id}".encode()).digest()
        is_held_out = int.from_bytes(digest[:6]) < held_out_share * (1 << 48)
        (held_out if is_held_out else learnt).append(example)
    seen = {(example.language, example.source) for example in learnt}
    return learnt, [one for one in held_out if (one.language, one.source) not in seen]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSet:
    """A training set as it is kept in a folder.

    Attributes:
        folder: The folder.
        learnt: Examples to learn from.
        held_out: Examples to be measured with.
    """

    folder: Path
    learnt: Sequence[TranslationExample]
    held_out: Sequence[TranslationExample]

    @property
    def records(self) -> Path:
        """File of the records to learn from."""
        return self.folder / _LEARNT / RECORDS

    @property
    def languages(self) -> list[str]:
        """Languages of the examples, in the order of the registry."""
        there = {example.language for example in (*self.learnt, *self.held_out)}
        return [code for code in languages.codes() if code in there]


def write_training_set(
    folder: Path, examples: Iterable[TranslationExample], *, held_out_share: float, seed: int = 0
) -> TrainingSet:
    """Divides examples and writes both parts, for hosted models and for our own.

    Args:
        folder: Where the files go.
        examples: What people approved.
        held_out_share: Share that is held out, from 0 to 1.
        seed: Seed of the draw.

    Raises:
        DataError: If there is nothing to learn, or nothing to measure with.
        StorageError: If a file can't be written.
    """
    learnt, held_out = divide(examples, held_out_share, seed)
    if not learnt or not held_out:
        raise DataError(
            "there are too few approved translations to learn from and to measure with",
            seen=f"{len(learnt)} turns to learn from, {len(held_out)} held out",
            fix="Review more of them, or change the share that is held out.",
        )
    for name, part in ((_LEARNT, learnt), (_HELD_OUT, held_out)):
        _write_lines(folder / name / CHAT, map(chat_row, part))
        _write_lines(folder / name / RECORDS, map(record_row, part))
    return TrainingSet(folder=folder, learnt=learnt, held_out=held_out)


def short_prompt(text: str, language: str) -> str:
    """Returns the prompt of a small model of ours, as short as possible.

    Args:
        text: The text to translate.
        language: ISO 639-1 code of the target language.
    """
    return f"{languages.get(language).name}: {text}"


def record_row(example: TranslationExample) -> dict[str, Any]:
    """Returns an example as a row in LLaVA's format, text only.

    Args:
        example: The turn with its approved translation.
    """
    return {
        "id": example.key,
        "language": example.language,
        "conversations": [
            {"from": "human", "value": short_prompt(example.source, example.language)},
            {"from": "gpt", "value": example.wanted},
        ],
    }


def chat_row(example: TranslationExample) -> dict[str, Any]:
    """Returns an example as OpenAI's fine-tuning takes it.

    The prompt is that of the bulk job; question and answer have placeholders.

    Args:
        example: The turn with its approved translation.
    """
    source = example.translated.source
    protected = tuple(
        protect_text(turn.text, example.language, source_language=source.language)
        for turn in source.turns
    )
    request = TranslationRequest(source=source, language=example.language, turns=protected)
    answer = example.wanted
    for one in protected[example.turn].spans:
        if one.placeholder != one.text:
            answer = answer.replace(one.target, one.placeholder, 1)
    return {
        "messages": [
            *turn_messages(request, example.turn),
            {"role": "assistant", "content": answer},
        ]
    }


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    storage.write_text(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
