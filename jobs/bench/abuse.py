"""Measures what hostile clients cost: `make bench NAME=abuse`, or with --part X for one part.

1. parsers: CPU time of every parser of foreign bytes or text on its worst input of 64 KB and 1 MB.
2. tenants: first-token times of right and wrong guesses about what another tenant asked.
3. waits: how long /healthz waits while a stranger, a client with a key and a visitor of the chat
   page try their worst, all at once, against what `make serve` runs.
"""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from abuse_parts.settings import AbuseBench, Part
from resuming import measured

from palo import config
from palo.benchmark import Conditions, Figure, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "ray", "torch", "gradio", "starlette", "uvicorn")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(AbuseBench(), arguments, "jobs/bench/abuse.py")
    config.check(settings)
    machine = hardware()
    figures = _figures(settings)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None, cache=Path(), key=""),
        seeds=(settings.seed,),
        counts={"guesses_of_each_kind": settings.tries, "attackers": len(settings.roles)},
    )
    publish("abuse", figures, conditions, root=_ROOT, folder=settings.output)


def _figures(settings: AbuseBench) -> list[Figure]:
    from abuse_parts.growth import measure_growth
    from abuse_parts.oracle import measure_oracle
    from abuse_parts.waits import measure_waits

    parts: dict[Part, Callable[[], list[Figure]]] = {
        "parsers": measure_growth,
        "tenants": lambda: measure_oracle(settings.cache, settings.tries, settings.seed),
        "waits": lambda: measure_waits(settings, _ROOT),
    }
    figures: list[Figure] = []
    for part, run in parts.items():
        if settings.runs(part):
            figures += measured(settings, part, run, _ROOT)
    if settings.part == "all" and not settings.keep:
        shutil.rmtree(settings.cache, ignore_errors=True)
    return figures


if __name__ == "__main__":
    run_job(main)
