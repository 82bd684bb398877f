"""Measures serving: `make bench NAME=serve`, or `python jobs/bench/serve.py [--part X]`.

1. engine: tokens a second and time to the first token of the engine, against transformers' generate
   one by one and in one static batch, on the same model and cores; a second question about a known
   image against the first; how long a running answer waits while a prompt is computed.
2. overhead: requests a second and time to the first token through Ray Serve, against the engine.
3. routing: hit rate and time to the first token with two replicas, routed by image, against Ray
   Serve's own routing.
4. drill: requests while replicas are killed, added, taken away, and rolled to another version.
"""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from resuming import measured
from serving.settings import Part, ServeBench

from palo import config
from palo.benchmark import Conditions, Figure, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "ray", "torch", "transformers")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(ServeBench(), arguments, "jobs/bench/serve.py")
    config.check(settings)
    machine = hardware()
    figures = _figures(settings)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None, cache=Path()),
        seeds=(settings.seed,),
        counts={
            "repeats": settings.repeats,
            "answers_compared": settings.repeats * settings.compared_clients,
            "images_asked_about_twice": settings.repeats * 2,
            "served_requests": settings.repeats * settings.served_requests,
            "routed_questions": settings.routed_questions,
            "drill_requests": settings.drill_requests,
        },
    )
    publish("serve", figures, conditions, root=_ROOT, folder=settings.output)


def _figures(settings: ServeBench) -> list[Figure]:
    """Measures the wanted parts; their models are gone afterwards unless they are to be kept."""
    from serving.compare import measure
    from serving.drill import run_drill
    from serving.overhead import measure_overhead
    from serving.routing import measure_routing
    from serving.stalls import measure_stalls

    parts: dict[Part, Callable[[], list[Figure]]] = {
        "engine": lambda: [*measure(settings), measure_stalls(settings)],
        "overhead": lambda: measure_overhead(settings, _ROOT),
        "routing": lambda: measure_routing(settings, _ROOT),
        "drill": lambda: run_drill(settings, _ROOT),
    }
    figures: list[Figure] = []
    for part, run in parts.items():
        if settings.runs(part):
            figures += measured(settings, part, run, _ROOT)
    # A part that ran alone leaves its figures for a whole run.
    used = [settings.cache] if settings.part == "all" else settings.cache.glob("[mn]*")
    for folder in () if settings.keep else used:
        shutil.rmtree(folder, ignore_errors=True)
    return figures


if __name__ == "__main__":
    run_job(main)
