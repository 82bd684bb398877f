"""The words of the generated corpora: the same sentences in every language."""

import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from resuming import say
from training import conversations

from palo import languages, storage

_SCENE_RECORDS = 20_000


def data_folder(root: Path) -> Path | None:
    """Returns the optional data folder, None without it."""
    data = Path(os.environ.get("PALO_DATA") or root.parent / "shared" / "data")
    return data if data.is_dir() else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentences:
    """Sentences by language, ready to be put between quotation marks.

    Attributes:
        escaped: By language, each sentence as JSON writes it in ASCII, without its quotation
            marks; shortest English ones first.
        num_short: How many of the first may be questions.
        source: Where they come from.
    """

    escaped: dict[str, list[str]]
    num_short: int
    source: str


def read_sentences(root: Path) -> Sentences:
    """Returns news sentences of the optional data folder, or else, aloud, those of scenes."""
    data = data_folder(root)
    if data is None:
        say("no optional data folder (PALO_DATA): the words are those of scenes")
        by_language, source = _of_scenes(), "scenes"
    else:
        text = storage.read_text(data / "parallel" / "ntrex1000" / "sentences.jsonl")
        rows = sorted((json.loads(line) for line in text.splitlines()), key=_english_length)
        by_language = {code: [row[code] for row in rows] for code in languages.codes()}
        source = "ntrex1000"
    escaped = {code: [json.dumps(text)[1:-1] for text in by_language[code]] for code in by_language}
    return Sentences(escaped=escaped, num_short=len(escaped["en"]) // 3, source=source)


def _english_length(row: dict[str, str]) -> int:
    return len(row["en"])


def _of_scenes() -> dict[str, list[str]]:
    """Returns as many answers about scenes in every language, which ask in turn."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    codes = languages.codes()
    for number, talk in enumerate(conversations.scenes(_SCENE_RECORDS, 0)):
        found[codes[number % len(codes)]] += [turn.text for turn in talk.turns[1::2]]
    count = min(map(len, found.values()))
    return {code: sorted(found[code], key=len)[-count:] for code in codes}
