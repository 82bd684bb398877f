"""Measures the engine against vLLM and llama.cpp: `make bench NAME=serve_engines`.

Tokens a second and time to the first token on one exported model. The others run where
PALO_VLLM_PYTHON and PALO_LLAMA_CPP_PYTHON name a Python that has them, and are left out elsewhere.
"""

import dataclasses
from pathlib import Path

from serving.settings import ServeBench

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "ray", "torch", "transformers")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(ServeBench(), arguments, "jobs/bench/serve_engines.py")
    config.check(settings)
    from serving.engines import measure_engines

    machine = hardware()
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None, cache=Path()),
        seeds=(settings.seed,),
        counts={"repeats": settings.repeats},
    )
    figures = measure_engines(settings)
    publish("serve_engines", figures, conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
