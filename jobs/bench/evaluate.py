"""Measures evaluation: `make bench NAME=evaluate`, or `python jobs/bench/evaluate.py [--field]`.

1. Judged answers a second with many requests at a time, against one after the other.
2. Answers a second in batches, against a plain loop of transformers' generate.

`evaluate_drill` measures a whole run that is killed.
"""

import dataclasses
from pathlib import Path

from evaluating.settings import EvaluateBench

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "transformers", "httpx")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(EvaluateBench(), arguments, "jobs/bench/evaluate.py")
    config.check(settings)
    machine = hardware()
    from evaluating.answering import measure_answering
    from evaluating.judging import measure_judging

    figures = [*measure_judging(settings), *measure_answering(settings)]
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None),
        seeds=(settings.seed,),
        counts={
            "repeats": settings.repeats,
            "judged_answers": settings.repeats * settings.judged_answers,
            "judged_one_by_one": settings.repeats * settings.judged_one_by_one,
            "answers": settings.repeats * settings.answers,
        },
    )
    publish("evaluate", figures, conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
