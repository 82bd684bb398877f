"""Judged answers a second: many requests at a time against one after the other."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
from evaluating.judge_server import JudgeServer
from evaluating.settings import EvaluateBench

from palo.benchmark import Figure, spread
from palo.endpoint.connections import connection_settings
from palo.endpoint.replies import Reply, read_reply
from palo.endpoint.settings import EndpointSettings
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.judging.judge import judge
from palo.evaluate.judging.requests import JudgeSettings, calls_for
from palo.evaluate.judging.verdict import JudgeVerdict, read_verdict

_TARGET = 30.0
_MODEL = "judge"


def measure_judging(settings: EvaluateBench) -> Iterator[Figure]:
    """Runs both sides in turn, each on answers that were never judged before."""
    many, one = [], []
    with JudgeServer(settings.latency_s) as server:
        # What each process loads once, as the identifier of languages, is there then.
        _at_once(replace(settings, judged_answers=settings.in_flight), server.url, -1)
        for number in range(settings.repeats):
            many.append(_at_once(settings, server.url, number))
            one.append(_one_by_one(settings, server.url, number))
    yield spread("judged_answers_per_s", many, "answers/s")
    yield spread("judged_one_by_one_per_s", one, "answers/s")
    yield spread(
        "judged_at_once_to_one_by_one",
        [ours / theirs for ours, theirs in zip(many, one, strict=True)],
        "1",
        target=_TARGET,
        better="higher",
    )


def _at_once(settings: EvaluateBench, url: str, number: int) -> float:
    items = _items(settings.judged_answers, f"at once {number}")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = judge(
            items,
            {item.key: _answer(item) for item in items},
            _judge(settings, url),
            Path(folder) / "judgments.jsonl",
        )
        seconds = time.perf_counter() - started
    assert len(run.judged.scored) == len(items)
    return len(items) / seconds


def _one_by_one(settings: EvaluateBench, url: str, number: int) -> float:
    """Judges as a plain script does: one request, its reply, the next request."""
    items = _items(settings.judged_one_by_one, f"one by one {number}")
    judging = _judge(settings, url)
    started = time.perf_counter()
    with httpx.Client(timeout=60.0, **connection_settings(url)) as client:
        for item in items:
            for call in calls_for(item, _answer(item), judging):
                body = {"model": _MODEL, **call.body}
                reply = read_reply(client.post(f"{url}/chat/completions", json=body).content)
                assert isinstance(reply, Reply)
                assert isinstance(read_verdict(reply, judging.form), JudgeVerdict)
    return len(items) / (time.perf_counter() - started)


def _judge(settings: EvaluateBench, url: str) -> JudgeSettings:
    return JudgeSettings(
        endpoint=EndpointSettings(url=url, model=_MODEL, in_flight=settings.in_flight),
    )


def _items(count: int, name: str) -> Sequence[BenchItem]:
    return [
        BenchItem(
            question_id=str(number),
            language="en",
            image=Path(f"{number}.png"),
            category="conv",
            question=f"What is in the image, {name}, {number}?",
            references=("A red circle stands to the left of two blue squares. " * 5,),
            context=("Three shapes on a white ground.",),
        )
        for number in range(count)
    ]


def _answer(item: BenchItem) -> ModelAnswer:
    return ModelAnswer(key=item.key, text=f"A circle and squares, {item.question_id}. " * 5)
