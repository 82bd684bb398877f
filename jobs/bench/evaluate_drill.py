"""Measures a run that goes wrong: `make bench NAME=evaluate_drill ARGS="--models NAME=SOURCE ..."`.

A whole run over LLaVA-Bench with a judge that misbehaves in every way, killed in the middle and
resumed: wrong scores, and requests that were sent again without need.
"""

import dataclasses
from pathlib import Path

from evaluating.settings import EvaluateDrill

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "transformers", "httpx")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(EvaluateDrill(), arguments, "jobs/bench/evaluate_drill.py")
    config.check(settings)
    machine = hardware()
    from evaluating.drill import measure_drill

    figures = list(measure_drill(settings, _ROOT))
    names = tuple(model.partition("=")[0] for model in settings.models)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(
            settings, output=None, models=names, bench=Path(settings.bench.name)
        ),
        counts={"models": len(names), "kills": 1},
    )
    publish("evaluate_drill", figures, conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
