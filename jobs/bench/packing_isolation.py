"""Measures whether packed samples see their neighbours: `make bench NAME=packing_isolation`.

Losses of samples and gradients of blocks, packed against alone, for our loader and attention, TRL's
padding-free batches and packing, and LLaMA-Factory's packing. The others run where PALO_TRL_PYTHON
and PALO_LLAMA_FACTORY_PYTHON name a Python that has them, with PyTorch's own attention and with
transformers' eager one: FlashAttention, which both recommend, needs a GPU.
"""

import dataclasses
from pathlib import Path

from training.environments import installed, package_versions
from training.isolation import PACKERS, IsolationBench, isolation_figures

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.errors import ConfigError
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "transformers")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(IsolationBench(), arguments, "jobs/bench/packing_isolation.py")
    config.check(settings)
    machine = hardware()
    pythons = installed()
    needed = set(filter(None, PACKERS.values()))
    if settings.output is None and not needed <= pythons.keys():
        raise ConfigError(
            "the result to keep needs all packers",
            fix=f"Set {', '.join(sorted(needed))}, or name --output FOLDER.",
        )
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration={
            **config.to_dict(dataclasses.replace(settings, output=None)),
            "environments": package_versions(pythons),
        },
        seeds=range(settings.seed, settings.seed + settings.repeats),
        counts={"repeats": settings.repeats},
    )
    figures = isolation_figures(settings, pythons)
    publish("packing_isolation", figures, conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
