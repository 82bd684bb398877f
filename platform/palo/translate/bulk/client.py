"""Sends a job's translation requests, each of them once."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import orjson

from palo.errors import PaloError
from palo.translate.backends.backend import Backend, Translate, TranslationFailure
from palo.translate.bulk.ledger import CachedDraft, Ledger
from palo.translate.request import TranslationRequest


def answer_id(request: TranslationRequest) -> str:
    """Returns the name of a request's answer: a hash of its texts, languages, attempt and reasons.

    Two records of the same words need one answer. The translator and its prompt don't count: an
    answer that was paid for is used, whichever translator is configured now.

    Args:
        request: The conversation.
    """
    words = [
        [turn.role, own.text] for turn, own in zip(request.source.turns, request.turns, strict=True)
    ]
    named = [request.source.language, request.language, words, request.attempt, request.reasons]
    return hashlib.sha256(orjson.dumps(named)).hexdigest()[:24]


class TranslationClient:
    """Sends requests to one translator, unless the ledger holds the answer. Use it within `open`.

    Args:
        backend: The translator.
        ledger: Requests and answers of the job.
        prefix: Begins the names of its answers, to keep them apart from another translator's.

    Attributes:
        failures: Requests that got no answer in this run, by reason.
        examples: What was seen of the first failure of each reason.
    """

    def __init__(self, backend: Backend, ledger: Ledger, prefix: str = "") -> None:
        self.failures: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.concurrency = backend.concurrency
        self.settings_hash = backend.settings_hash
        self._backend = backend
        self._ledger = ledger
        self._prefix = prefix
        self._in_flight: dict[str, asyncio.Event] = {}
        self._charged: set[str] = set()
        self._unproven: list[str] = []
        self._translate: Translate

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Connects to the translator.

        Yields:
            The client.

        Raises:
            PaloError: If it can't be used.
        """
        self._slots = asyncio.Semaphore(self.concurrency)
        spent, has_worked = self._ledger.spent(self._prefix), self.has_worked
        try:
            async with self._backend.open(spent, has_worked=has_worked) as self._translate:
                yield self
        except PaloError:
            # Where every answer is of no use, none of them says anything about its conversation.
            for name in self._unproven:
                self._ledger.discard(name)
            raise

    @property
    def has_worked(self) -> bool:
        """Whether the translator has given an answer of use, in this run or before."""
        return self._ledger.has_worked(self._backend.name)

    def charge(self, request: TranslationRequest, draft: CachedDraft) -> float:
        """Returns what an answer cost, once: conversations of the same words share its cost.

        Args:
            request: The conversation.
            draft: Its answer.
        """
        name = self._prefix + answer_id(request)
        if name in self._charged:
            return 0.0
        self._charged.add(name)
        return draft.draft.cost

    async def draft(self, request: TranslationRequest) -> CachedDraft | None:
        """Returns the translator's answer to a request.

        A request whose words are in flight already waits for that answer.

        Args:
            request: The conversation.

        Returns:
            The answer; None if there is none in this run.

        Raises:
            PaloError: If no further conversation can be translated.
        """
        name = self._prefix + answer_id(request)
        while name in self._in_flight:
            await self._in_flight[name].wait()
        if self._ledger.holds(name, self.settings_hash):
            return self._ledger.read(name)
        if self.failures["budget"]:
            return None
        self._in_flight[name] = ended = asyncio.Event()
        try:
            async with self._slots:
                return await self._ask(request, name)
        finally:
            del self._in_flight[name]
            ended.set()

    async def _ask(self, request: TranslationRequest, name: str) -> CachedDraft | None:
        answer = await self._translate(request, _LedgerMeter(self._ledger, name))
        if isinstance(answer, TranslationFailure):
            self._ledger.lose(name, answer)
            self.failures[answer.kind] += 1
            self.examples.setdefault(answer.kind, answer.detail)
            return None
        made = CachedDraft(
            draft=answer,
            translator=self._backend.name,
            prompt_hash=self._backend.prompt_hash(request.language),
            settings_hash=self.settings_hash,
        )
        self._ledger.answer(name, made)
        if answer.fault:
            self._unproven.append(name)
        else:
            self._unproven.clear()
        return made


@dataclass(frozen=True, slots=True)
class _LedgerMeter:
    """Writes into the ledger what one request may cost."""

    ledger: Ledger
    name: str

    def send(self, most_cost: float) -> None:
        self.ledger.send(self.name, most_cost)

    def refuse(self) -> None:
        self.ledger.refuse(self.name)
