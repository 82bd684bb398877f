"""The job itself: what is known is used, what is missing is asked for, until all is done."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from palo.translate.backends.backend import Backend, Desk, Draft, Lost
from palo.translate.bulk.finishing import FinishSettings, finish
from palo.translate.bulk.ledger import Ledger, Made, answer_id
from palo.translate.bulk.progress import Progress
from palo.translate.bulk.results import Results
from palo.translate.bulk.source import Conversations
from palo.translate.locks.locking import LockSettings, lock_record
from palo.translate.translated import Translated
from palo.translate.units import Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is translated and how.

    Attributes:
        source: The conversations.
        languages: ISO 639-1 codes of the languages wanted.
        backend: Who translates.
        locks: What must not change.
        finishing: How drafts are finished.
    """

    source: Conversations
    languages: Sequence[str]
    backend: Backend
    locks: LockSettings = field(default_factory=LockSettings)
    finishing: FinishSettings = field(default_factory=FinishSettings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """What a job writes down.

    Attributes:
        ledger: Requests and answers.
        results: What is done.
        progress: What people see.
    """

    ledger: Ledger
    results: Results
    progress: Progress


class BulkRun:
    """One run of a job.

    Args:
        work: What to do.
        books: What is known of it, and where it goes on.

    Attributes:
        lost: How many conversations got no answer, by reason.
    """

    def __init__(self, work: Work, books: Books) -> None:
        self.lost: Counter[str] = Counter()
        self._work = work
        self._books = books
        self._flying: dict[str, Unit] = {}
        self._names: dict[tuple[str, int], str] = {}
        self._again: list[Unit] = []
        self._is_spent = False

    def run(self) -> None:
        """Translates what isn't done yet.

        Raises:
            PaloError: If no further conversation can be translated.
        """
        units = self._fresh()
        while True:
            desk = Desk(on_send=self._on_send, on_refused=self._on_refused, on_end=self._on_end)
            asked = self._unanswered(units)
            self._work.backend.translate(asked, desk, self._spent())
            if not self._again or self._is_spent:
                break
            again, self._again = self._again, []
            units = iter(again)
        self._books.progress.tell()

    def _spent(self) -> float:
        # What nobody knows may have been paid for.
        return self._books.ledger.cost + self._books.ledger.open_cost

    def _fresh(self) -> Iterator[Unit]:
        for record in self._work.source.records():
            for language in self._work.languages:
                if language == record.language or self._books.results.has(record, language):
                    continue
                yield lock_record(record, language, settings=self._work.locks)

    def _unanswered(self, units: Iterator[Unit]) -> Iterator[Unit]:
        """Yields what must be asked for; what the ledger holds is settled at once."""
        for first in units:
            if self._is_spent:
                return
            unit: Unit | None = first
            while unit is not None:
                name = answer_id(unit)
                if name in self._books.ledger:
                    unit = self._settle(unit, self._books.ledger.read(name))
                    continue
                if name in self._flying:
                    # Another record of the same words is being asked for: its answer will do.
                    self._again.append(unit)
                else:
                    self._flying[name] = unit
                    self._names[unit.key, unit.attempt] = name
                    yield unit
                unit = None

    def _on_send(self, unit: Unit, most_cost: float) -> None:
        self._books.ledger.send(self._names[unit.key, unit.attempt], most_cost)

    def _on_refused(self, unit: Unit) -> None:
        self._books.ledger.refuse(self._names[unit.key, unit.attempt])

    def _on_end(self, unit: Unit, end: Draft | Lost) -> None:
        name = self._names.pop((unit.key, unit.attempt))
        self._flying.pop(name, None)
        if isinstance(end, Lost):
            self.lost[end.kind] += 1
            self._is_spent |= end.kind == "budget"
            self._books.ledger.lose(name, end)
            return
        backend = self._work.backend
        made = Made(
            draft=end,
            translator=backend.name,
            prompt_hash=backend.prompt_hash(unit.language),
        )
        self._books.ledger.answer(name, made)
        again = self._settle(unit, made)
        if again is not None:
            self._again.append(again)

    def _settle(self, unit: Unit, made: Made) -> Unit | None:
        """Finishes a unit; returns it if it must be tried again."""
        found = finish(unit, made, self._work.finishing)
        if isinstance(found, Translated):
            self._books.results.add(found)
            self._books.progress.add()
            return None
        return found
