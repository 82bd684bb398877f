"""The job itself: what is known is used, what is missing is asked for, until all is done."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from palo.translate.backends.backend import Backend, Lost
from palo.translate.bulk.back_translation import SecondOpinions, back_translation
from palo.translate.bulk.client import TranslationCall, TranslationClient
from palo.translate.bulk.finishing import FinishSettings, finish, texts_of
from palo.translate.bulk.ledger import CachedDraft, Ledger
from palo.translate.bulk.progress import TranslationProgress
from palo.translate.bulk.results import Results
from palo.translate.bulk.source import Conversations
from palo.translate.checks.case import Evidence
from palo.translate.protected_spans.protect import ProtectionSettings, protect_record
from palo.translate.request import TranslationRequest
from palo.translate.translated import Decision, Translated, decide

# Their further attempts and second opinions wait in memory.
_UNITS_A_WAVE = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationWork:
    """What is translated and how.

    Attributes:
        source: The conversations.
        languages: ISO 639-1 codes of the languages wanted.
        backend: Who translates.
        locks: What must not change.
        finishing: How drafts are finished.
        opinions: What else is asked about each translation.
    """

    source: Conversations
    languages: Sequence[str]
    backend: Backend
    locks: ProtectionSettings = field(default_factory=ProtectionSettings)
    finishing: FinishSettings = field(default_factory=FinishSettings)
    opinions: SecondOpinions = field(default_factory=SecondOpinions)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLog:
    """What a job writes down.

    Attributes:
        ledger: Requests and answers.
        results: What is done.
        progress: What people see.
    """

    ledger: Ledger
    results: Results
    progress: TranslationProgress


class BulkRun:
    """One run of a job.

    Args:
        work: What to do.
        books: What is known of it, and where it goes on.

    Attributes:
        lost: How many conversations got no answer, by reason.
    """

    def __init__(self, work: TranslationWork, books: JobLog) -> None:
        self.lost: Counter[str] = Counter()
        self._work = work
        self._books = books
        self._first = TranslationClient(work.backend, books.ledger)
        self._second: TranslationClient | None = None
        if work.opinions.second is not None:
            self._second = TranslationClient(work.opinions.second, books.ledger, mark="second ")
        self._waiting: dict[TranslationClient, list[TranslationRequest]] = {}
        self._is_spent = False

    def run(self) -> None:
        """Translates what isn't done yet.

        Raises:
            PaloError: If no further conversation can be translated.
        """
        fresh = self._fresh()
        while not self._is_spent and (first := next(fresh, None)) is not None:
            self._ask(self._first, chain([first], islice(fresh, _UNITS_A_WAVE - 1)))
            while not self._is_spent and any(self._waiting.values()):
                for asker in list(self._waiting):
                    self._ask(asker, self._waiting.pop(asker))
        self._books.progress.tell()

    def _fresh(self) -> Iterator[TranslationRequest]:
        for record in self._work.source.records():
            for language in self._work.languages:
                if language == record.language or self._books.results.has(record, language):
                    continue
                yield protect_record(record, language, settings=self._work.locks)

    def _ask(self, asker: TranslationClient, units: Iterable[TranslationRequest]) -> None:
        asker.ask(self._asks(asker, units), self._on_end, lambda unit: self._wait(asker, unit))

    def _asks(
        self, asker: TranslationClient, units: Iterable[TranslationRequest]
    ) -> Iterator[TranslationCall]:
        """Yields what a translator must be asked for; what needs no answer is settled at once."""
        for unit in units:
            if self._is_spent:
                return
            ask = self._settle(unit)
            if ask is None:
                continue
            if ask.asker is asker:
                yield ask
            else:
                self._wait(ask.asker, ask.about)

    def _wait(self, asker: TranslationClient, unit: TranslationRequest) -> None:
        self._waiting.setdefault(asker, []).append(unit)

    def _on_end(self, unit: TranslationRequest, lost: Lost | None) -> None:
        if lost is not None:
            self.lost[lost.kind] += 1
            self._is_spent |= lost.kind == "budget"
        elif (ask := self._settle(unit)) is not None:
            self._wait(ask.asker, ask.about)

    def _settle(self, unit: TranslationRequest) -> TranslationCall | None:
        """Finishes a unit; returns what must be asked for before, if anything must."""
        while (made := self._first.made(unit)) is not None:
            missing, evidence = self._opinions(unit, made)
            found = finish(unit, made, self._work.finishing, evidence)
            if isinstance(found, TranslationRequest):
                unit = found
                continue
            if missing and decide(found.gates) is not Decision.QUARANTINE:
                return missing
            self._finished(found)
            return None
        return TranslationCall(self._first, unit, unit)

    def _opinions(
        self, unit: TranslationRequest, made: CachedDraft
    ) -> tuple[TranslationCall | None, Evidence]:
        """Returns the first opinion of a draft that must still be asked for, and those there."""
        back = second = None
        if self._work.opinions.round_trip and len(made.draft.texts) == len(unit.turns):
            asked = back_translation(unit, texts_of(unit, made))
            answer = self._first.made(asked)
            if answer is None:
                return TranslationCall(self._first, asked, unit), Evidence()
            back = texts_of(asked, answer)
        if self._second is not None:
            answer = self._second.made(unit)
            if answer is None:
                return TranslationCall(self._second, unit, unit), Evidence(round_trip=back)
            second = texts_of(unit, answer)
        return None, Evidence(round_trip=back, second=second)

    def _finished(self, translated: Translated) -> None:
        self._books.results.add(translated)
        self._books.progress.add()
