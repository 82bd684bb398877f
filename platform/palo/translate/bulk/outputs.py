"""The outputs of a job: records for a corpus, translations for review, quarantine, counts."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import orjson

from palo import storage
from palo.data.records import Record
from palo.translate.bulk.results import Results
from palo.translate.bulk.source import Conversations, own_path
from palo.translate.review.item import edition_of
from palo.translate.review.store import ReviewStore
from palo.translate.translated import Decision, Translated, decide, to_row

RECORDS, REVIEW, QUARANTINE, REJECTED = "records", "review", "quarantine", "rejected"
_DESTINATIONS = {
    Decision.ACCEPT: RECORDS,
    Decision.RETRY: REVIEW,
    Decision.REVIEW: REVIEW,
    Decision.QUARANTINE: QUARANTINE,
}
_SHOWN = 3


@dataclass(kw_only=True, slots=True)
class LanguageCounts:
    """Counts of the conversations in one language.

    Attributes:
        records: Written for a corpus.
        review: Waiting for a review.
        quarantine: Of no use.
        rejected: Rejected by reviewers.
        missing: Not translated yet.
        reviewed: Records that reviewers have approved.
        attempts: By number of attempts.
        checks: By check and decision, other than ACCEPT.
        translators: By translator and hash of the prompt.
        examples: A few reasons of each check.
    """

    records: int = 0
    review: int = 0
    quarantine: int = 0
    rejected: int = 0
    missing: int = 0
    reviewed: int = 0
    attempts: Counter[int] = field(default_factory=Counter)
    checks: Counter[tuple[str, str]] = field(default_factory=Counter)
    translators: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Conversations that are translated."""
        return self.records + self.review + self.quarantine + self.rejected

    def add(self, made: Translated) -> None:
        """Counts one translation.

        Args:
            made: The translation.
        """
        self.attempts[made.attempt + 1] += 1
        self.translators[made.translator, made.prompt_hash] += 1
        faulty = {r.check: r for r in made.checks if r.decision is not Decision.ACCEPT}
        for check, result in faulty.items():
            self.checks[check, result.decision.name.lower()] += 1
            examples = self.examples.setdefault(check, [])
            if len(examples) < _SHOWN and result.reason not in examples:
                examples.append(result.reason)

    def to_json(self) -> dict[str, Any]:
        """Returns the counts as JSON values."""
        names = ("records", "review", "quarantine", "rejected", "missing", "reviewed")
        return {
            **{name: getattr(self, name) for name in names},
            "attempts": {str(count): number for count, number in sorted(self.attempts.items())},
            "checks": [[*key, count] for key, count in self.checks.most_common()],
            "translators": [[*key, count] for key, count in self.translators.most_common()],
            "examples": self.examples,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputForm:
    """How the outputs of a job are written.

    Attributes:
        images: Folder of the images, for the list of sources.
        review_share: Share of the accepted translations that are reviewed as well, which is the
            only way to find what the checks miss.
    """

    images: Path | None = None
    review_share: float = 0.0

    def is_drawn(self, key: str) -> bool:
        """Returns whether an accepted translation is reviewed as well.

        Args:
            key: The translation's name in the job.
        """
        drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])
        return drawn < self.review_share * (1 << 32)


def write_outputs(
    folder: Path, source: Conversations, codes: Sequence[str], results: Results, form: OutputForm
) -> dict[str, LanguageCounts]:
    """Writes the results of a job in the order of the source, whatever order they came in.

    Texts that were approved in the folder's review replace the translations.

    Args:
        folder: The job's folder.
        source: The conversations.
        codes: ISO 639-1 codes of the target languages.
        results: The finished translations.
        form: How the outputs are written.

    Returns:
        The counts by language.
    """
    accounts = {code: LanguageCounts() for code in codes}
    store = ReviewStore(folder / REVIEW)
    waiting: list[Translated] = []
    with ExitStack() as stack:
        files = {
            (kind, code): stack.enter_context(_replaced(folder / kind / f"{code}.jsonl"))
            for kind in (RECORDS, QUARANTINE)
            for code in codes
        }
        for record, code in _pairs(source, codes):
            account = accounts[code]
            made = results.find(record, code)
            if made is None:
                account.missing += 1
                continue
            account.add(made)
            made, destination = _reviewed(made, store)
            setattr(account, destination, getattr(account, destination) + 1)
            if destination == RECORDS:
                account.reviewed += bool(made.reviewer)
                files[RECORDS, code].write(_line(_llava_row(made)))
            elif destination == QUARANTINE:
                files[QUARANTINE, code].write(_line(to_row(made)))
            is_unseen = destination == RECORDS and not made.reviewer
            if destination == REVIEW or (is_unseen and form.is_drawn(made.key)):
                waiting.append(made)
    if waiting:
        store.add(waiting)
    if source.is_corpus:
        _write_list(folder, source, _filled(folder / RECORDS, codes), form.images)
    return accounts


def _reviewed(made: Translated, store: ReviewStore) -> tuple[Translated, str]:
    """Returns a translation as its review left it, and its destination."""
    item = store.find(made.key)
    if item is not None and item.edition == edition_of(made):
        if (decision := item.approved) is not None:
            return replace(made, texts=decision.texts, reviewer=decision.reviewer), RECORDS
        if item.state == "rejected":
            return made, REJECTED
    return made, _DESTINATIONS[decide(made.checks)]


def _pairs(source: Conversations, codes: Sequence[str]) -> Iterator[tuple[Record, str]]:
    for record in source.records():
        for code in codes:
            if code != record.language:
                yield record, code


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    with storage.replacing(path) as partial, partial.open("wb") as file:
        yield file


def _llava_row(made: Translated) -> dict[str, Any]:
    record = made.record
    return replace(record, image=own_path(record.image)).to_llava()


def _line(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row) + b"\n"


def _filled(records: Path, codes: Sequence[str]) -> list[str]:
    """Returns the languages with records, this run's first; those of earlier runs stay."""
    filled = sorted(path.stem for path in records.glob("*.jsonl") if path.stat().st_size)
    return [code for code in codes if code in filled] + [c for c in filled if c not in codes]


def _write_list(
    folder: Path, source: Conversations, codes: Sequence[str], images: Path | None
) -> None:
    """Writes the list of sources that a corpus is built from."""
    tables = []
    for code in codes:
        lines = [f"[{source.name}-{code}]", f'path = "{RECORDS}/{code}.jsonl"']
        lines += [f"language = {json.dumps(code)}", f"licence = {_toml(source.licence)}"]
        if images is not None:
            lines.append(f"images = {_toml(str(images.resolve()))}")
        if source.allowed_hosts:
            hosts = ", ".join(map(_toml, source.allowed_hosts))
            lines.append(f"allowed_hosts = [{hosts}]")
        tables.append("\n".join(lines))
    storage.write_text(folder / "sources.toml", "\n\n".join(tables) + "\n")


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
