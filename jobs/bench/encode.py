"""Measures encoding images: `make bench NAME=encode`.

The job's stage that encodes, its workers' start included, is compared with two bare loops over the
same tower, images and batches: one that decodes too, and the tower alone. A run that was stopped
goes on with its next round, at the same commit.
"""

import dataclasses
from pathlib import Path

from corpus_parts.settings import EncodeBench
from resuming import Kept

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "ray", "torch", "transformers", "pillow")


def main(arguments: list[str]) -> None:
    """Runs the bench.

    Args:
        arguments: The command line.
    """
    settings = override(EncodeBench(), arguments, "jobs/bench/encode.py")
    config.check(settings)
    machine = hardware()
    from corpus_parts.encoding import encoding_figures, measure_rounds

    same = dataclasses.replace(settings, output=None, cache=Path(), keep=False)
    rounds = measure_rounds(settings, Kept(same, settings.cache, _ROOT), _ROOT)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=same,
        counts={"images": settings.images, "rounds": settings.repeats},
    )
    publish("encode", encoding_figures(rounds), conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
