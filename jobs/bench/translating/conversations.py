"""Conversations in English about drawn scenes, and the same in every other language."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.scenes.phrase_book import phrase_book
from palo.scenes.questions import SceneFacts, all_facts
from palo.scenes.scene import sample_scene

_ROUNDS = 3
SOURCE = "en"


def write_conversations(folder: Path, count: int, seed: int) -> tuple[Path, Path]:
    """Writes conversations of three rounds, no two alike, and a dictionary of their sentences.

    Args:
        folder: Where to.
        count: How many conversations.
        seed: Seed of the scenes.

    Returns:
        The rows in LLaVA's format, and the dictionary: by English text, by ISO 639-1 code.
    """
    rows, dictionary = folder / "rows.jsonl", folder / "dictionary.json"
    known: dict[str, dict[str, str]] = {}
    with storage.replacing(rows) as partial, partial.open("w", encoding="utf-8") as file:
        for number, rounds in enumerate(_conversations(count, seed)):
            turns = []
            for facts, wording in rounds:
                for who, texts in zip(("human", "gpt"), _worded(facts, wording), strict=True):
                    known[texts[SOURCE]] = texts
                    turns.append({"from": who, "value": texts[SOURCE]})
            file.write(json.dumps({"id": str(number), "conversations": turns}) + "\n")
    storage.write_json(dictionary, known)
    return rows, dictionary


def _conversations(count: int, seed: int) -> Iterator[list[tuple[SceneFacts, int]]]:
    rng = random.Random(seed)  # noqa: S311 - scenes of a bench
    seen: set[Any] = set()
    while len(seen) < count:
        facts = list(all_facts(sample_scene(rng)))
        if len(facts) < _ROUNDS:
            continue
        chosen = [(fact, rng.randrange(3)) for fact in rng.sample(facts, _ROUNDS)]
        if tuple(chosen) not in seen:
            seen.add(tuple(chosen))
            yield chosen


def _worded(facts: SceneFacts, wording: int) -> tuple[dict[str, str], dict[str, str]]:
    books = {code: phrase_book(code) for code in languages.codes()}
    asked = {code: book.ask(facts, wording) for code, book in books.items()}
    return asked, {code: book.answer(facts) for code, book in books.items()}
