"""Measures serving: `make bench NAME=serve`, or `python jobs/bench/serve.py [--field value ...]`.

1. Tokens a second and time to the first token of the engine, against transformers' generate one by
   one and in one static batch, on the same model and cores.
2. A second question about a known image against the first.
3. How long a running answer waits while a prompt is computed.
"""

import dataclasses
from pathlib import Path

from serving.settings import ServeBench

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "transformers")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(ServeBench(), arguments, "jobs/bench/serve.py")
    config.check(settings)
    machine = hardware()
    from serving.compare import measure
    from serving.stalls import measure_stalls

    figures = [*measure(settings), measure_stalls(settings)]
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None),
        seeds=(settings.seed,),
        counts={
            "repeats": settings.repeats,
            "answers_compared": settings.repeats * settings.compared_clients,
            "images_asked_about_twice": settings.repeats * 2,
        },
    )
    publish("serve", figures, conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
