"""A translated conversation: its provenance, the results of its checks, and its JSON row."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from palo import storage
from palo.data.records import Record
from palo.errors import DataError
from palo.text.messages import Turn

# Names the check of whether there is a translation to check at all.
REPLY_CHECK = "reply"


class Decision(IntEnum):
    """What is done with a translation: the most severe of its checks' decisions."""

    ACCEPT = 0
    RETRY = 1
    REVIEW = 2
    QUARANTINE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """The result of one check of a translation.

    Attributes:
        check: Name of the check.
        decision: Its decision.
        reason: Why, in a plain English sentence; empty where it accepts.
        turn: Number of the turn that it is about; None for the whole conversation.
        doubt: From 0, surely right, to 1, surely wrong; reviewers see the most doubtful first.
    """

    check: str
    decision: Decision = Decision.ACCEPT
    reason: str = ""
    turn: int | None = None
    doubt: float = 0.0


def decide(results: Iterable[CheckResult]) -> Decision:
    """Returns the most severe decision of some results; ACCEPT if there are none.

    Args:
        results: The results.
    """
    return max((result.decision for result in results), default=Decision.ACCEPT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Translated:
    """A conversation in another language.

    Attributes:
        source: The conversation that was translated.
        language: ISO 639-1 code of the translation.
        texts: The texts of its turns, placeholders replaced.
        translator: The backend's model.
        prompt_hash: Name of the prompt; empty for a backend without one.
        attempt: Number of the attempt, from 0.
        checks: The results of its checks.
        reviewer: The reviewer who approved or corrected it; empty before a review.
        faulty_under: Names the settings under which no answer was of use; empty where there is a
            translation.
    """

    source: Record
    language: str
    texts: tuple[str, ...]
    translator: str
    prompt_hash: str = ""
    attempt: int = 0
    checks: tuple[CheckResult, ...] = ()
    reviewer: str = ""
    faulty_under: str = ""

    @property
    def key(self) -> str:
        """Name of the translation in a job: the record and the target language."""
        return f"{self.source.record_id}>{self.language}"

    @property
    def is_without_answer(self) -> bool:
        """Whether the translator gave no answer that could be read."""
        return any(result.check == REPLY_CHECK for result in self.checks)

    @property
    def doubt(self) -> float:
        """The greatest doubt of its checks."""
        return max((result.doubt for result in self.checks), default=0.0)

    @property
    def record(self) -> Record:
        """The translation as a record of a corpus, with its provenance.

        Raises:
            ValueError: If it hasn't as many turns as its source.
        """
        pairs = zip(self.source.turns, self.texts, strict=True)
        checks = {result.check: result.decision.name.lower() for result in self.checks}
        provenance = {"prompt": self.prompt_hash, "reviewer": self.reviewer}
        return Record(
            record_id=self.key,
            language=self.language,
            source=self.source.source,
            licence=self.source.licence,
            image=self.source.image,
            turns=tuple(Turn(turn.role, text, turn.num_images) for turn, text in pairs),
            system=self.source.system,
            origin_record_id=self.source.record_id,
            translator=self.translator,
            gates=checks | {name: value for name, value in provenance.items() if value},
        )


def to_row(translated: Translated) -> dict[str, Any]:
    """Returns a translation as JSON values, for the files of a job and of a review.

    Args:
        translated: The translation.
    """
    # Field by field: what walks any dataclass takes ten times as long, for millions of rows.
    source = translated.source
    return {
        "source": {
            "record_id": source.record_id,
            "language": source.language,
            "source": source.source,
            "licence": source.licence,
            "image": source.image,
            "turns": [
                {"role": turn.role, "text": turn.text, "num_images": turn.num_images}
                for turn in source.turns
            ],
            "system": source.system,
            "origin_record_id": source.origin_record_id,
            "translator": source.translator,
            "gates": None if source.gates is None else dict(source.gates),
        },
        "language": translated.language,
        "texts": list(translated.texts),
        "translator": translated.translator,
        "prompt_hash": translated.prompt_hash,
        "attempt": translated.attempt,
        "checks": [
            {
                "check": result.check,
                "decision": result.decision.name.lower(),
                "reason": result.reason,
                "turn": result.turn,
                "doubt": result.doubt,
            }
            for result in translated.checks
        ],
        "reviewer": translated.reviewer,
        "faulty_under": translated.faulty_under,
    }


def from_row(row: object) -> Translated:
    """Returns the translation of a row that `to_row` made.

    Args:
        row: The JSON values.

    Raises:
        DataError: If the row is no translation, or of an older version.
    """
    if isinstance(row, Mapping) and "gates" in row:
        raise DataError(
            "a row is of an older version",
            fix="Delete this file and run its job again; no answer or review is lost.",
        )
    try:
        if not isinstance(row, Mapping):
            raise TypeError("no object with fields")
        values = dict(row)
        values["source"] = _record(values["source"])
        values["texts"] = tuple(map(_text, values["texts"]))
        values["checks"] = tuple(map(_check, values.get("checks", ())))
        made = Translated(**values)
        _text(made.language)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            "a row is no translation", seen=error, fix="Restore the file from where it was made."
        ) from error
    return made


def read_rows(path: Path) -> Iterator[Translated]:
    """Yields the translations of a file, a line each; of several with one key the last one.

    Args:
        path: For example the results.jsonl of a job.

    Raises:
        DataError: If a line is no translation.
        StorageError: If the file can't be read.
    """
    latest = {}
    for number, row in storage.read_json_lines(path):
        try:
            made = from_row(row)
        except DataError as error:
            raise DataError(
                error.fact, seen=f"line {number} of {path}: {error.seen}", fix=error.fix
            ) from error
        latest[made.key] = made
    yield from latest.values()


def _record(values: Mapping[str, Any]) -> Record:
    turns = tuple(map(_turn, values["turns"]))
    for name in ("record_id", "language", "source", "licence"):
        _text(values[name])
    for name in ("image", "system", "origin_record_id", "translator"):
        if values.get(name) is not None:
            _text(values[name])
    return Record(**{**values, "turns": turns})


def _turn(values: Mapping[str, Any]) -> Turn:
    turn = Turn(**values)
    _text(turn.text)
    if turn.role not in ("user", "assistant") or turn.num_images not in (0, 1):
        raise ValueError(f"{turn.role!r:.60} shows {turn.num_images!r:.60} images")
    return turn


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _check(values: Mapping[str, Any]) -> CheckResult:
    return CheckResult(**{**values, "decision": Decision[values["decision"].upper()]})
