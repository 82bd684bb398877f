"""Conversations a second: the whole job against a loop of single requests, and its own cost."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from translating.kills import LANGUAGE
from translating.serving import running_server
from translating.settings import TranslateBench

from palo import storage
from palo.benchmark import Figure, resampled, spread
from palo.endpoint.connections import connection_settings
from palo.endpoint.settings import EndpointSettings
from palo.translate.backends.backend import CostMeter, Draft, Translate
from palo.translate.backends.over_http import HttpTranslation, HttpTranslator
from palo.translate.bulk.job import TranslationWork, translate_all
from palo.translate.bulk.source import Source
from palo.translate.prompts.prompt import conversation_messages
from palo.translate.protected_spans.protect import protect_record
from palo.translate.request import TranslationRequest


@dataclass(frozen=True, slots=True)
class _Round:
    """Conversations a second of one run of each side."""

    job: float
    loop: float


class _Known:
    """A backend that answers at once: what is left is the job's own cost."""

    name = "dictionary"
    settings_hash = ""
    accepts_feedback = True
    concurrency = 1

    def __init__(self, dictionary: dict[str, dict[str, str]]) -> None:
        self._dictionary = dictionary

    def prompt_hash(self, language: str) -> str:
        return "0" * 16

    @asynccontextmanager
    async def open(self, spent_before: float, *, has_worked: bool) -> AsyncIterator[Translate]:
        yield self._translate

    async def _translate(self, request: TranslationRequest, meter: CostMeter) -> Draft:
        meter.send(1.0)
        texts = tuple(self._dictionary[turn.text][request.language] for turn in request.turns)
        return Draft(texts=texts, cost=0.5)


def measure_speed(settings: TranslateBench, rows: Path, dictionary: Path) -> list[Figure]:
    """Runs both sides in turn.

    Args:
        settings: What to measure.
        rows: Conversations.
        dictionary: What the server knows.
    """
    rounds = []
    bill = settings.cache / "speed.bill"
    serving = {"dictionary": dictionary, "language": LANGUAGE, "bill": bill}
    with running_server(**serving, latency_s=settings.latency_s) as url:
        for number in range(settings.repeats):
            loop = _loop(url, rows, settings.alone)
            job = _job(settings, url, rows, settings.cache / f"speed-{number}")
            rounds.append(_Round(job, loop))
    return [
        resampled(
            "job_to_loop_of_single_requests",
            lambda some: sum(one.job for one in some) / sum(one.loop for one in some),
            rounds,
            "1",
            target=20.0,
            better="higher",
        ),
        spread("job_conversations", [one.job for one in rounds], "conversations/s"),
        spread("loop_conversations", [one.loop for one in rounds], "conversations/s"),
    ]


def measure_own_cost(settings: TranslateBench, rows: Path, dictionary: Path) -> list[Figure]:
    """Measures processor time a conversation of everything but asking.

    Args:
        settings: What to measure.
        rows: Conversations.
        dictionary: Their translations.
    """
    known = storage.read_json(dictionary)
    costs_ms = []
    for number in range(settings.repeats + 1):
        work = TranslationWork(
            source=Source(path=rows, name="bench"),
            languages=(LANGUAGE,),
            backend=_Known(known),
        )
        start = time.process_time()
        report = translate_all(work, settings.cache / f"own-{number}")
        elapsed_s = time.process_time() - start
        costs_ms.append(elapsed_s / report.languages[LANGUAGE].done * 1e3)
    # The first run loads what identifies languages.
    return [spread("own_cost_a_conversation", costs_ms[1:], "ms", target=1.0, better="lower")]


def _job(settings: TranslateBench, url: str, rows: Path, folder: Path) -> float:
    endpoint = EndpointSettings(url=url, model="dictionary", in_flight=settings.in_flight)
    work = TranslationWork(
        source=Source(path=rows, name="bench"),
        languages=(LANGUAGE,),
        backend=HttpTranslator(endpoint, HttpTranslation()),
    )
    start = time.perf_counter()
    report = translate_all(work, folder)
    return report.languages[LANGUAGE].done / (time.perf_counter() - start)


def _loop(url: str, rows: Path, count: int) -> float:
    """Asks one by one, as a script would: one conversation, one request, one after the other."""
    bodies = []
    for record in Source(path=rows, name="bench").records():
        messages = conversation_messages(protect_record(record, LANGUAGE))
        bodies.append({"model": "dictionary", "messages": messages, "max_tokens": 4096})
        if len(bodies) == count:
            break
    with httpx.Client(**connection_settings(url)) as client:
        start = time.perf_counter()
        for body in bodies:
            client.post(f"{url}/chat/completions", json=body).raise_for_status()
        return len(bodies) / (time.perf_counter() - start)
