"""Measures translation: `make bench NAME=translate`, or `python jobs/bench/translate.py [--help]`.

1. Conversations a second of the whole job with 64 requests in flight, against a loop of single
   requests to the same server, which takes 50 ms for an answer.
2. What the job itself costs for each conversation: reading, protected spans,
   normalizers, checks, outputs.
3. Twenty kills at random moments of a job whose server fails as servers do: what is lost, doubled,
   or paid for twice.
"""

import dataclasses
from pathlib import Path

from translating.conversations import write_conversations
from translating.kills import Order, drill
from translating.settings import TranslateBench
from translating.speed import measure_own_cost, measure_speed

from palo import config, storage
from palo.benchmark import Conditions, Figure, publish, spread
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "httpx", "orjson")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(TranslateBench(), arguments, "jobs/bench/translate.py")
    config.check(settings)
    machine = hardware()
    storage.remove(settings.cache)
    folder = storage.ensure_folder(settings.cache.resolve())
    settings = dataclasses.replace(settings, cache=folder)
    rows, dictionary = write_conversations(folder / "speed", settings.conversations, settings.seed)
    figures = [
        *measure_speed(settings, rows, dictionary),
        *measure_own_cost(settings, rows, dictionary),
        *_measure_kills(settings),
    ]
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None, cache=TranslateBench().cache),
        seeds=(settings.seed,),
        counts={
            "repeats": settings.repeats,
            "conversations": settings.conversations,
            "kills": settings.kills,
            "killed_conversations": settings.killed_conversations,
        },
    )
    publish("translate", figures, conditions, root=_ROOT, folder=settings.output)


def _measure_kills(settings: TranslateBench) -> list[Figure]:
    folder = settings.cache / "killed"
    rows, dictionary = write_conversations(folder, settings.killed_conversations, settings.seed + 1)
    done = drill(
        Order(
            rows=rows,
            dictionary=dictionary,
            folder=folder / "drill",
            kills=settings.kills,
            in_flight=settings.in_flight,
            faults=settings.fault_share,
            seed=settings.seed,
        )
    )
    beyond = max(0, done.num_paid_twice - done.num_open)
    return [
        spread("kills", [done.num_kills], "kills"),
        spread("kills_rows_lost", [done.num_lost], "rows", target=0, better="lower"),
        spread("kills_rows_doubled", [done.num_doubled], "rows", target=0, better="lower"),
        spread("kills_rows_wrong", [done.num_wrong], "rows", target=0, better="lower"),
        spread("kills_answers_billed", [done.num_billed], "answers"),
        spread("kills_paid_twice", [done.num_paid_twice], "answers"),
        spread("kills_known_open", [done.num_open], "requests"),
        spread("kills_paid_twice_beyond_known", [beyond], "answers", target=0, better="lower"),
    ]


if __name__ == "__main__":
    run_job(main)
