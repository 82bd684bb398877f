"""Training sets for translators, in OpenAI's and in LLaVA's format."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.errors import DataError
from palo.translate.learning.examples import TranslationExample, divide
from palo.translate.prompts.prompt import turn_messages
from palo.translate.protected_spans.protect import protect_text
from palo.translate.request import TranslationRequest

CHAT = "chat.jsonl"
"""OpenAI's chat format, for hosted models."""
RECORDS = "records.jsonl"
"""LLaVA's format, for a corpus of our own."""
_LEARNT, _HELD_OUT = "learnt", "held_out"


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
