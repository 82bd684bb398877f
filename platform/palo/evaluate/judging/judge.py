"""Has answers judged: judgments are cached, failures counted and never averaged in."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import config
from palo.endpoint.caller import Caller, run_concurrently
from palo.endpoint.ending import OF_THE_TEXT
from palo.endpoint.replies import Failure, Reply
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.judging.requests import Call, JudgeSettings, calls_for
from palo.evaluate.judging.scores import Judged, Judgment, combined
from palo.evaluate.judging.verdict import JudgeFault, read_verdict
from palo.evaluate.result_cache import ResultCache

_SHOWN = 200
# Several times the length that `max_tokens` allows; not every server keeps to it.
_LONGEST_REASON = 8_000


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeRun:
    """The result of one run of a judge.

    Attributes:
        judged: The scores, and the questions without one.
        num_cached: Judgments of earlier runs.
        num_asked: Judgments that this run requested.
        num_calls: Requests that were sent for them, attempts included.
        num_tokens: Tokens that the server counted.
        failures: How many of the requested judgments failed, by reason.
        examples: What was seen of the first of them, by reason.
        lost: Those of them that the next run asks for again, by the kind of their failure.
    """

    judged: Judged
    num_cached: int
    num_asked: int
    num_calls: int
    num_tokens: int
    failures: Mapping[str, int]
    examples: Mapping[str, str]
    lost: Mapping[str, int]


def judge(
    items: Sequence[BenchItem],
    answers: Mapping[str, ModelAnswer],
    settings: JudgeSettings,
    path: Path,
    *,
    on_judgment: Callable[[], object] = lambda: None,
) -> JudgeRun:
    """Has the answers of one model judged beside the reference answers.

    Args:
        items: The questions.
        answers: By the questions' keys; questions without one count as unscored.
        settings: The judge.
        path: File of the judgments, for any number of benches, models and judges.
        on_judgment: Called after each judgment, for progress.

    Raises:
        ConfigError: If a setting is wrong, the server refuses the key or the model, or no request
            gets a verdict.
        DataError: If the file of judgments is damaged.
        ResourceError: If the server can't be reached.
        StorageError: If the file can't be written.
    """
    config.check(settings)
    answered = [item for item in items if item.key in answers]
    calls = {item.key: list(calls_for(item, answers[item.key], settings)) for item in answered}
    # Two questions of the same words and answers need one judgment.
    wanted = {call.key: call for own in calls.values() for call in own}
    with ResultCache(path) as results:
        todo = [call for call in wanted.values() if _is_open(call, results, settings)]
        run = _Run(settings, results, on_judgment)
        asyncio.run(run.all(todo))
    judgments = {key: _judgment(values) for key, values in results.known.items() if key in wanted}
    judgments |= {
        key: Judgment(fault=failure.kind, detail=failure.detail)
        for key, failure in run.lost.items()
    }
    failed = [judgments[call.key] for call in todo if judgments[call.key].fault]
    return JudgeRun(
        judged=combined(items, calls, judgments),
        num_cached=len(wanted) - len(todo),
        num_asked=len(todo),
        num_calls=run.num_calls,
        num_tokens=run.num_tokens,
        failures=Counter(str(one.fault) for one in failed),
        examples={str(one.fault): one.detail for one in reversed(failed)},
        lost=Counter(failure.kind for failure in run.lost.values()),
    )


def _is_open(call: Call, results: ResultCache, settings: JudgeSettings) -> bool:
    values = results.known.get(call.key)
    # Versions before this one kept refusals of a request's form.
    is_unsettled = values is not None and values.get("fault") == "refused"
    return values is None or is_unsettled or (settings.ask_again and "fault" in values)


class _Run:
    """One run's requests."""

    def __init__(
        self, settings: JudgeSettings, results: ResultCache, on_judgment: Callable[[], object]
    ) -> None:
        self.num_calls = 0
        self.num_tokens = 0
        self.lost: dict[str, Failure] = {}
        self._settings = settings
        self._results = results
        self._on_judgment = on_judgment
        self._has_worked = any("first" in values for values in results.known.values())
        self._unproven: list[tuple[Call, str, str]] = []

    async def all(self, todo: Sequence[Call]) -> None:
        endpoint = self._settings.endpoint
        async with Caller(endpoint, has_worked=self._has_worked) as caller:

            async def one(call: Call) -> None:
                await self._one(caller, call)
                self._on_judgment()

            await run_concurrently(todo, one, in_flight=endpoint.in_flight)
            self.num_calls, self.num_tokens = caller.spent.calls, caller.spent.tokens
            caller.streak.require_some_good()
        self._settle()

    async def _one(self, caller: Caller, call: Call) -> None:
        fault, text = JudgeFault.EMPTY, ""
        for _ in range(self._settings.tries):
            reply = await caller.call(call.body, fault_of=self._fault_of)
            if isinstance(reply, Failure):
                # Only what a text itself met is final: the next run may succeed with the rest.
                if reply.kind in OF_THE_TEXT:
                    self._unproven.append((call, reply.kind, reply.detail))
                else:
                    self.lost[call.key] = reply
                return
            verdict = read_verdict(reply, self._settings.form)
            if not isinstance(verdict, JudgeFault):
                verdict = verdict._replace(reason=verdict.reason[:_LONGEST_REASON])
                self._results.add(call.key, {**verdict._asdict(), **self._origin()})
                self._settle()
                return
            fault, text = verdict, reply.text or reply.refusal
        self._unproven.append((call, str(fault), text))

    def _fault_of(self, reply: Reply) -> str:
        verdict = read_verdict(reply, self._settings.form)
        if not isinstance(verdict, JudgeFault):
            return ""
        shown = reply.text or reply.refusal
        return f"{verdict}: {shown[:_SHOWN]}" if shown else str(verdict)

    def _settle(self) -> None:
        """Keeps what got no verdict, now that the judge has shown that it can give one."""
        for call, fault, detail in self._unproven:
            values = {"fault": fault, "detail": detail[:_SHOWN]}
            self._results.add(call.key, {**values, **self._origin()})
        self._unproven.clear()

    def _origin(self) -> dict[str, str]:
        return {"judge": self._settings.endpoint.model}


def _judgment(values: Mapping[str, Any]) -> Judgment:
    if "fault" in values:
        return Judgment(fault=values["fault"], detail=values["detail"])
    return Judgment(first=values["first"], second=values["second"], detail=values["reason"])
