"""A bench as conversations to translate, and the approved translations as a bench."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from palo import storage
from palo.config import fingerprint
from palo.data.records import Record
from palo.errors import ConfigError
from palo.evaluate.benches.bench import BenchItem, bench_source, check_images, read_bench
from palo.images.image_folder import read_image_file
from palo.text.messages import Turn
from palo.translate.bulk.outputs import RECORDS

_QUESTIONS = "questions.jsonl"


@dataclass(frozen=True, kw_only=True)
class BenchQuestions:
    """A bench to translate: a conversation for each question, one for the captions of each image.

    Attributes:
        bench: Name of the bench.
        folder: Where its files lie.
        language: ISO 639-1 code of the language that it is translated from.
        allowed_hosts: None: its images are files.
    """

    bench: str
    folder: Path
    language: str = "en"
    allowed_hosts: tuple[str, ...] = ()

    is_corpus = False

    @property
    def name(self) -> str:
        """The bench's name."""
        return self.bench

    @property
    def licence(self) -> str:
        """The bench's licence."""
        return bench_source(self.bench).licence

    @cached_property
    def items(self) -> tuple[BenchItem, ...]:
        """Its questions.

        Raises:
            ConfigError: If there is no such bench, or none of open questions.
            DataError: If its files are wrong.
            ImageError: If images are missing.
        """
        source = bench_source(self.bench)
        if source.task != "judged":
            raise ConfigError(
                f"{self.bench} has no open questions",
                seen=source.task,
                fix="Translate a bench whose answers are judged, such as llava-wild.",
            )
        bench = read_bench(source, self.folder, [self.language])
        check_images(bench)
        return bench.items

    def records(
        self, on_bad: Callable[[str, str], None] = lambda reason, detail: None
    ) -> Iterator[Record]:
        """Yields its conversations; none of them is bad.

        Args:
            on_bad: Takes nothing here.
        """
        for item in self.items:
            turns = (Turn("user", item.question, 1), Turn("assistant", item.references[0]))
            yield self._record(item.question_id, turns, str(item.image))
        for context in dict.fromkeys(item.context for item in self.items if item.context):
            yield self._record(_name(context), tuple(Turn("user", text) for text in context))

    def _record(self, own_id: str, turns: tuple[Turn, ...], image: str | None = None) -> Record:
        return Record(
            record_id=f"{self.bench}/{own_id}",
            language=self.language,
            source=self.bench,
            licence=self.licence,
            image=image,
            turns=turns,
        )


def write_bench(questions: BenchQuestions, folder: Path, codes: Sequence[str]) -> dict[str, int]:
    """Writes the approved translations as a bench that jobs/evaluate.py reads by the name `own`.

    Args:
        questions: The bench.
        folder: Folder of the job; the bench goes into its folder `bench`.
        codes: ISO 639-1 codes of the target languages.

    Returns:
        How many questions each language has.
    """
    place = folder / "bench"
    lines: list[bytes] = []
    counts = {}
    for code in codes:
        path = folder / RECORDS / f"{code}.jsonl"
        approved = {
            row["origin_record_id"]: [turn["value"] for turn in row["conversations"]]
            for row in map(orjson.loads, storage.read_bytes(path).splitlines())
        }
        rows = [
            row for item in questions.items if (row := _row(questions, item, approved)) is not None
        ]
        counts[code] = len(rows)
        lines += [orjson.dumps({"language": code, **row}) + b"\n" for row in rows]
    storage.ensure_folder(place / "images")
    for image in dict.fromkeys(item.image for item in questions.items):
        storage.write_bytes(place / "images" / image.name, read_image_file(image))
    storage.write_bytes(place / _QUESTIONS, b"".join(lines))
    return counts


def _row(
    questions: BenchQuestions, item: BenchItem, approved: Mapping[str, list[str]]
) -> dict[str, Any] | None:
    words = approved.get(f"{questions.bench}/{item.question_id}")
    context = approved.get(f"{questions.bench}/{_name(item.context)}") if item.context else []
    if words is None or context is None:
        return None
    question = words[0].removeprefix("<image>\n")
    return {
        "id": item.question_id,
        "image": item.image.name,
        "question": question,
        "answer": words[1],
        "category": item.category,
        "context": context,
    }


def _name(context: tuple[str, ...]) -> str:
    return f"captions-{fingerprint(context)}"
