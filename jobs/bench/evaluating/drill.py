"""A whole run over a real bench with a misbehaving judge, killed and resumed.

The command is the user's own. The expected scores are computed from the judge's known behaviour.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluating.behaviour import OUTCOMES, PASSING, behaviour_of, name_of, scores_of
from evaluating.judge_server import JudgeServer
from evaluating.settings import EvaluateDrill

from palo import storage
from palo.benchmark import Better, Figure, spread
from palo.endpoint.settings import EndpointSettings
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.answers.from_files import answers_from_files
from palo.evaluate.benches.bench import Bench, bench_source, read_bench
from palo.evaluate.judging.requests import Call, JudgeSettings, calls_for
from palo.evaluate.judging.scores import Judgment, combined
from palo.evaluate.statistics.relative import relative_scores
from palo.pipeline.bench_config import BenchRun, NamedModel

_BENCH = "llava-wild"
_MODEL = "judge-that-misbehaves"
_TIMEOUT_S = 5.0
_LATENCY_S = 0.05
_POLL_S = 0.05


def measure_drill(settings: EvaluateDrill, root: Path) -> Iterator[Figure]:
    """Runs the job, kills it while it judges, runs it to its end, and runs it once more."""
    with (
        tempfile.TemporaryDirectory() as folder,
        JudgeServer(_LATENCY_S, misbehaves=True) as server,
    ):
        run = BenchRun(
            bench=_BENCH,
            folder=settings.bench.resolve(),
            models=settings.models,
            output=Path(folder) / "out",
            max_tokens=settings.max_tokens,
            judge=JudgeSettings(
                endpoint=EndpointSettings(url=server.url, model=_MODEL, timeout_s=_TIMEOUT_S)
            ),
        )
        command = _command(run, root)
        _run_until(command, lambda: server.asked().total() >= settings.kill_after)
        kept = _kept(run)
        at_kill = server.asked()
        subprocess.run(command, cwd=root, check=True)  # noqa: S603 - our own job
        at_end = server.asked()
        subprocess.run(command, cwd=root, check=True)  # noqa: S603 - our own job
        again = server.asked() - at_end
        yield from _figures(run, _Asked(kept, at_kill, at_end, again))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The requests to the judge.

    Attributes:
        kept: Judgments that were on the disk when the first run was killed, by key.
        at_kill: Requests until then, by name.
        at_end: Requests until the second run's end.
        again: Requests of the third run.
    """

    kept: Mapping[str, Any]
    at_kill: Counter[str]
    at_end: Counter[str]
    again: Counter[str]


def _command(run: BenchRun, root: Path) -> list[str]:
    assert run.judge is not None
    return [
        sys.executable,
        str(root / "jobs" / "evaluate.py"),
        run.bench,
        str(run.folder),
        *("--models", *run.models),
        *("--output", str(run.output)),
        *("--max-tokens", str(run.max_tokens)),
        *("--judge.endpoint.url", run.judge.endpoint.url),
        *("--judge.endpoint.model", run.judge.endpoint.model),
        *("--judge.endpoint.timeout-s", str(run.judge.endpoint.timeout_s)),
    ]


def _run_until(command: list[str], is_time: Any) -> None:  # noqa: ANN401 - a predicate
    with subprocess.Popen(command) as process:  # noqa: S603 - our own job
        while process.poll() is None:
            if is_time():
                process.kill()
            time.sleep(_POLL_S)


def _lines(path: Path) -> list[dict[str, Any]]:
    """Returns the whole lines of a file that a killed process may have left torn."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _kept(run: BenchRun) -> dict[str, Any]:
    assert run.output is not None
    return {line["key"]: line for line in _lines(run.output / "judgments.jsonl")}


def _figures(run: BenchRun, asked: _Asked) -> Iterator[Figure]:
    assert run.output is not None
    bench = read_bench(bench_source(_BENCH), run.folder)
    reported = storage.read_json(run.output / "scores.json")["models"]
    wrong_scores = wrong_counts = doubled = scored = 0
    unscored: Counter[str] = Counter()
    calls: dict[str, Call] = {}
    for model in run.named_models():
        answers = _answers(run, bench, model)
        lines = _lines(_kept_answers(run, model))
        doubled += len(lines) - len({line["key"] for line in lines})
        own = _calls(run, bench, answers)
        calls |= {call.key: call for each in own.values() for call in each}
        expected = combined(bench.items, own, {k: _judgment(c) for k, c in calls.items()})
        found = reported[model.name]
        scored += found["num_scored"]
        unscored += Counter(found["unscored"])
        wrong_counts += found["unscored"] != expected.unscored_by_reason
        right = relative_scores(expected.scored).by_language
        wrong_scores += sum(
            found["scores"]["by_language"][code]["value"] != one.value
            for code, one in right.items()
        )
    yield _count("answers_asked_twice", doubled, target=0.0)
    yield _count("questions_scored", scored)
    for reason, count in sorted(unscored.items()):
        yield _count(f"unscored_{reason.replace(' ', '_')}", count)
    yield _count("wrong_scores", wrong_scores, target=0.0)
    yield _count("wrong_counts_of_failures", wrong_counts, target=0.0)
    yield _count("judgments_kept_at_kill", len(asked.kept))
    names = {key: name_of(calls[key].body) for key in asked.kept}
    repeated = sum(asked.at_end[name] > asked.at_kill[name] for name in names.values())
    yield _count("asked_again_after_kill", repeated, target=0.0)
    passing = {name_of(c.body) for c in calls.values() if _judgment(c).fault in PASSING}
    yield _count("requests_of_a_third_run", asked.again.total())
    yield _count("asked_again_without_need", len(asked.again.keys() - passing), target=0.0)


def _kept_answers(run: BenchRun, model: NamedModel) -> Path:
    assert run.output is not None
    return run.output / "answers" / f"{model.name}.jsonl"


def _answers(run: BenchRun, bench: Bench, model: NamedModel) -> dict[str, ModelAnswer]:
    """Returns the answers that were judged, by question: a file's, or those that were kept."""
    if model.kind == "file":
        return dict(answers_from_files(bench, model.name, model.source).answers)
    return {
        line["question"]: ModelAnswer(
            key=line["question"], text=line["answer"], finish_reason=line["finish_reason"]
        )
        for line in _lines(_kept_answers(run, model))
    }


def _calls(
    run: BenchRun, bench: Bench, answers: Mapping[str, ModelAnswer]
) -> dict[str, list[Call]]:
    assert run.judge is not None
    return {
        item.key: list(calls_for(item, answers[item.key], run.judge))
        for item in bench.items
        if item.key in answers
    }


def _judgment(call: Call) -> Judgment:
    """Returns the expected judgment of a request."""
    outcome = OUTCOMES[behaviour_of(call.body, misbehaves=True)]
    if outcome is not None:
        return Judgment(fault=outcome)
    first, second = scores_of(call.body)
    return Judgment(first=first, second=second)


def _count(name: str, value: int, target: float | None = None) -> Figure:
    better: Better | None = None if target is None else "lower"
    return spread(name, [value], "", target=target, better=better)
