"""The bulk job: a worker for each conversation, from the first draft to the saved result."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path

from palo import storage
from palo.endpoint.caller import run_concurrently
from palo.endpoint.ending import reasons_of
from palo.errors import DataError
from palo.translate.backends.backend import Backend
from palo.translate.bulk.client import TranslationClient
from palo.translate.bulk.ledger import CachedDraft, Ledger
from palo.translate.bulk.outputs import OutputForm, write_outputs
from palo.translate.bulk.progress import TranslationProgress
from palo.translate.bulk.report import Costs, TranslationReport, write_report
from palo.translate.bulk.results import Results
from palo.translate.bulk.source import Conversations, Counted, count
from palo.translate.checks.case import Evidence
from palo.translate.checks.run import CheckSettings, run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.protected_spans.protect import (
    ProtectionSettings,
    back_translation,
    protect_record,
    restore_text,
)
from palo.translate.request import ProtectedSpan, TranslationRequest
from palo.translate.translated import REPLY_CHECK, CheckResult, Decision, Translated, decide


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationWork:
    """What is translated, by which translator, and how it is checked.

    Attributes:
        source: The conversations.
        languages: ISO 639-1 codes of the target languages.
        backend: The translator.
        protection: Which parts of a text stay unchanged.
        checks: The quality checks, and how often a refused translation is tried again.
        review_all: Sends every translation to review that hasn't been reviewed.
        round_trip: Also has each translation translated back, and compares that with the source.
        second: Another translator whose translations are compared; None for none.
    """

    source: Conversations
    languages: Sequence[str]
    backend: Backend
    protection: ProtectionSettings = field(default_factory=ProtectionSettings)
    checks: CheckSettings = field(default_factory=CheckSettings)
    review_all: bool = False
    round_trip: bool = False
    second: Backend | None = None


def translate_all(
    work: TranslationWork,
    folder: Path,
    *,
    form: OutputForm | None = None,
    on_progress: Callable[[str], None] = lambda line: None,
) -> TranslationReport:
    """Translates a source, or what is left of it, and writes the outputs and the report.

    Args:
        work: What to translate.
        folder: The job's folder, on a local disk. A job that was stopped resumes from it.
        form: How the outputs are written.
        on_progress: Receives lines of progress.

    Returns:
        What has been translated so far.

    Raises:
        ConfigError: If no conversation can be translated.
        DataError: If the source can't be used, or the job's files were changed by hand.
        MismatchError: If the folder holds translations of another source.
        ResourceError: If another job runs in the folder, the server can't be reached, or workers
            were lost.
        StorageError: If something can't be read or written.
    """
    with storage.alone_in(folder):
        counted = count(work.source)
        pairs = counted.pairs(work.languages)
        _require_work(work, counted, pairs)
        with (
            Ledger(folder / "ledger.jsonl") as ledger,
            Results(folder / "results.jsonl") as results,
        ):
            results.require_any_of(work.source.records())
            done = min(pairs, results.count(work.backend.settings_hash))
            progress = TranslationProgress(on_progress, pairs, done, ledger)
            job = _Job(work, ledger, results, progress)
            try:
                asyncio.run(job.run())
            finally:
                ledger.give_up()
                languages = write_outputs(
                    folder, work.source, work.languages, results, form or OutputForm()
                )
                report = TranslationReport(
                    languages=languages,
                    costs=_costs(ledger),
                    bad_rows=counted.bad,
                    bad_examples=counted.examples,
                    lost=job.failures,
                    lost_examples=job.examples,
                )
                write_report(folder, report)
    return report


class _Job:
    """One run of a job.

    Args:
        work: What to translate.
        ledger: All requests and answers, of earlier runs too.
        results: The translations that are done.
        progress: What people see of it.
    """

    def __init__(
        self,
        work: TranslationWork,
        ledger: Ledger,
        results: Results,
        progress: TranslationProgress,
    ) -> None:
        self._work = work
        self._results = results
        self._progress = progress
        self._held: list[Translated] = []
        self._first = TranslationClient(work.backend, ledger)
        self._clients = [self._first]
        self._second: TranslationClient | None = None
        if work.second is not None:
            self._second = TranslationClient(work.second, ledger, prefix="second ")
            self._clients.append(self._second)

    @property
    def failures(self) -> Counter[str]:
        """Requests that got no answer in this run, by reason."""
        return sum((client.failures for client in self._clients), Counter())

    @property
    def examples(self) -> dict[str, str]:
        """What was seen of the first failure of each reason."""
        return {kind: seen for client in self._clients for kind, seen in client.examples.items()}

    async def run(self) -> None:
        """Translates what isn't done yet, many conversations at a time."""
        async with AsyncExitStack() as clients:
            for client in self._clients:
                await clients.enter_async_context(client.open())
            most = sum(client.concurrency for client in self._clients)
            await run_concurrently(self._waiting(), self._translate, in_flight=most)
        self._let_go()
        self._progress.tell()

    def _waiting(self) -> Iterator[TranslationRequest]:
        """Yields the conversations that are left, until the budget is spent."""
        for record in self._work.source.records():
            for language in self._work.languages:
                if any(client.failures["budget"] for client in self._clients):
                    return
                if language != record.language and not self._results.has(
                    record, language, self._first.settings_hash
                ):
                    yield protect_record(record, language, settings=self._work.protection)

    async def _translate(self, request: TranslationRequest) -> None:
        """Translates one conversation: draft, checks, retries, second opinions, result.

        The ledger has every answer before it is used: after a kill at any point, the next run
        repeats these steps without asking again. A conversation without an answer is left to it.
        """
        cost = 0.0
        while (draft := await self._first.draft(request)) is not None:
            cost += self._first.charge(request, draft)
            texts = _finished_texts(request, draft)
            results = self._check(request, draft, texts)
            if decide(results) is Decision.RETRY:
                request = _next_attempt(request, results)
                continue
            # A translation of no use needs no second opinion.
            if self._wants_opinions and decide(results) is not Decision.QUARANTINE:
                evidence, own_cost = await self._second_opinions(request, texts)
                if evidence is None:
                    return
                cost += own_cost
                results = self._check(request, draft, texts, evidence)
            self._save(request, draft, texts, results)
            self._progress.add(cost)
            return

    def _check(
        self,
        request: TranslationRequest,
        draft: CachedDraft,
        texts: tuple[str, ...],
        evidence: Evidence | None = None,
    ) -> tuple[CheckResult, ...]:
        checks = self._work.checks
        if draft.draft.fault:
            is_last = draft.draft.is_hopeless or request.attempt >= checks.retries
            decision = Decision.QUARANTINE if is_last else Decision.RETRY
            fault = draft.draft.fault
            return (CheckResult(check=REPLY_CHECK, decision=decision, reason=fault, doubt=1.0),)
        raw = _restored_texts(request, draft)
        results = run_checks(request, texts, checks, evidence or Evidence(), raw)
        if self._work.review_all:
            reason = "Every translation of this job is reviewed."
            return (
                *results,
                CheckResult(check="every_row", decision=Decision.REVIEW, reason=reason),
            )
        return results

    @property
    def _wants_opinions(self) -> bool:
        return self._work.round_trip or self._second is not None

    async def _second_opinions(
        self, request: TranslationRequest, texts: tuple[str, ...]
    ) -> tuple[Evidence | None, float]:
        """Returns the translation back and the other translator's, and what they cost.

        There is no evidence if one of them has no answer.
        """
        back = other = None
        cost = 0.0
        if self._work.round_trip:
            back_request = back_translation(request, texts)
            if (draft := await self._first.draft(back_request)) is None:
                return None, cost
            cost += self._first.charge(back_request, draft)
            back = _finished_texts(back_request, draft)
        if self._second is not None:
            if (draft := await self._second.draft(request)) is None:
                return None, cost
            cost += self._second.charge(request, draft)
            other = _finished_texts(request, draft)
        return Evidence(round_trip=back, second=other), cost

    def _save(
        self,
        request: TranslationRequest,
        draft: CachedDraft,
        texts: tuple[str, ...],
        results: tuple[CheckResult, ...],
    ) -> None:
        made = Translated(
            source=request.source,
            language=request.language,
            texts=texts,
            translator=draft.translator,
            prompt_hash=draft.prompt_hash,
            attempt=request.attempt,
            checks=results,
            faulty_under=draft.settings_hash if draft.draft.fault else "",
        )
        self._held.append(made)
        # What got no answer of use says nothing about a conversation before the next one gets one.
        if not made.is_without_answer:
            self._let_go()

    def _let_go(self) -> None:
        for made in self._held:
            self._results.add(made)
        self._held.clear()


def _require_work(work: TranslationWork, counted: Counted, pairs: int) -> None:
    """Raises DataError unless there is something to translate."""
    name = work.source.name
    if not counted.records.total():
        seen = "; ".join(reasons_of(counted.bad, counted.examples)) or "it is empty"
        raise DataError(
            f"no row of {name} is a conversation",
            seen=seen,
            fix="Correct the rows, or name the file in LLaVA's format.",
        )
    if not pairs:
        raise DataError(
            f"nothing of {name} is to be translated",
            seen=f"all its conversations are in {', '.join(work.languages)}",
            fix="Name other languages with --to, or the rows' own with --source-language.",
        )


def _finished_texts(request: TranslationRequest, draft: CachedDraft) -> tuple[str, ...]:
    """Returns the turns of a draft, placeholders replaced and normalized."""
    restored = _restored_texts(request, draft)
    return tuple(
        normalize_translation(text, request.language, own)
        for text, own in zip(restored, _spans(request), strict=False)
    )


def _restored_texts(request: TranslationRequest, draft: CachedDraft) -> tuple[str, ...]:
    """Returns the turns of a draft, placeholders replaced."""
    pairs = zip(draft.draft.texts, _spans(request), strict=False)
    return tuple(restore_text(text, own) for text, own in pairs)


def _spans(request: TranslationRequest) -> Iterator[tuple[ProtectedSpan, ...]]:
    """Yields the protected spans of each turn, and none for turns that a draft has beyond them."""
    return chain((turn.spans for turn in request.turns), repeat(()))


def _next_attempt(
    request: TranslationRequest, results: Sequence[CheckResult]
) -> TranslationRequest:
    """Returns the request with the reasons why this attempt and those before were refused.

    A reason that comes again is told with the attempt's number: decoded greedily, the same request
    would end in the same answer.
    """
    known = request.reasons
    attempt = request.attempt + 1
    reasons = dict.fromkeys(
        result.reason if result.turn is None else f"Turn {result.turn + 1}: {result.reason}"
        for result in results
        if result.reason
    )
    told = (f"Again in attempt {attempt}: {one}" if one in known else one for one in reasons)
    return dataclasses.replace(request, attempt=attempt, reasons=(*known, *told))


def _costs(ledger: Ledger) -> Costs:
    return Costs(
        cost=ledger.cost,
        tokens_in=ledger.tokens_in,
        tokens_out=ledger.tokens_out,
        answers=ledger.num_answers,
        requests=ledger.num_sent,
        requests_without_answer=ledger.num_open,
        open_cost=ledger.open_cost,
    )
