"""Asking one translator for what a job's ledger doesn't hold."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from palo.translate.backends.backend import Backend, BackendCallbacks, Draft, Lost
from palo.translate.bulk.ledger import CachedDraft, Ledger, answer_id
from palo.translate.request import TranslationRequest


class TranslationCall(NamedTuple):
    """Something to ask for.

    Attributes:
        asker: Who asks for it.
        unit: What is asked for.
        about: The unit that waits for it: the same, unless it is a second opinion.
    """

    asker: "TranslationClient"
    unit: TranslationRequest
    about: TranslationRequest


class TranslationClient:
    """Asks one translator, and writes all that is sent and answered into the ledger.

    Args:
        backend: The translator.
        ledger: Requests and answers of the job.
        mark: Stands before the names of its answers, and tells them from another translator's.
    """

    def __init__(self, backend: Backend, ledger: Ledger, mark: str = "") -> None:
        self._backend = backend
        self._ledger = ledger
        self._mark = mark
        self._names: dict[tuple[str, int], str] = {}
        self._flying: dict[str, TranslationRequest] = {}

    def made(self, unit: TranslationRequest) -> CachedDraft | None:
        """Returns the answer to a unit; None if there is none yet."""
        name = self._name(unit)
        return self._ledger.read(name) if name in self._ledger else None

    def ask(
        self,
        asks: Iterable[TranslationCall],
        on_end: Callable[[TranslationRequest, Lost | None], None],
        on_double: Callable[[TranslationRequest], None],
    ) -> None:
        """Asks for what the ledger doesn't hold.

        Args:
            asks: Any number, taken as they are needed.
            on_end: Takes each unit that waited, and why it has no answer if it has none.
            on_double: Takes a unit whose words are being asked for already.

        Raises:
            PaloError: If no further conversation can be translated.
        """

        def units() -> Iterator[TranslationRequest]:
            for ask in asks:
                name = self._name(ask.unit)
                if name in self._flying:
                    on_double(ask.about)
                    continue
                self._flying[name] = ask.about
                self._names[ask.unit.key, ask.unit.attempt] = name
                yield ask.unit

        def end(unit: TranslationRequest, end: Draft | Lost) -> None:
            name = self._names.pop((unit.key, unit.attempt))
            about = self._flying.pop(name)
            if isinstance(end, Lost):
                self._ledger.lose(name, end)
                on_end(about, end)
                return
            self._ledger.answer(name, self._signed(unit, end))
            on_end(about, None)

        desk = BackendCallbacks(on_send=self._on_send, on_refused=self._on_refused, on_end=end)
        # What nobody knows may have been paid for.
        spent_before = self._ledger.cost + self._ledger.open_cost
        self._backend.translate(units(), desk, spent_before)

    def _name(self, unit: TranslationRequest) -> str:
        return self._mark + answer_id(unit)

    def _signed(self, unit: TranslationRequest, draft: Draft) -> CachedDraft:
        return CachedDraft(
            draft=draft,
            translator=self._backend.name,
            prompt_hash=self._backend.prompt_hash(unit.language),
        )

    def _on_send(self, unit: TranslationRequest, most_cost: float) -> None:
        self._ledger.send(self._names[unit.key, unit.attempt], most_cost)

    def _on_refused(self, unit: TranslationRequest) -> None:
        self._ledger.refuse(self._names[unit.key, unit.attempt])
