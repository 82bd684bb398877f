"""Measures our training job beside other trainers: `make bench NAME=train_beside`.

One model with the same weights, the same samples in each optimizer step, the same optimizer and
schedule, two workers, ZeRO-3: our job as users run it, transformers' Trainer and TRL's SFTTrainer
on batches of like lengths, and batches as LLaVA's trainer makes them. Nothing is published unless
the losses of each step are equal. TRL runs where PALO_TRL_PYTHON names a Python that has it.
`--stop-after-s 300` runs a portion; the next call goes on, at the same commit.
"""

import dataclasses
from pathlib import Path

from resuming import TimeOverError, say
from training.beside_settings import OTHERS, BesideBench
from training.environments import installed, package_versions

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.errors import ConfigError
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "ray", "deepspeed", "transformers", "peft", "accelerate")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(BesideBench(), arguments, "jobs/bench/train_beside.py")
    config.check(settings)
    machine = hardware()
    from training.beside_compare import measure_beside
    from training.beside_figures import beside_figures
    from training.conversations import data_folder

    pythons = installed()
    needed = {side.variable for side in OTHERS if side.variable}
    is_whole = needed <= pythons.keys() and len(settings.others) == len(OTHERS)
    is_whole = is_whole and data_folder(_ROOT) is not None
    if settings.output is None and not is_whole:
        raise ConfigError(
            "the result to keep needs all trainers and the data folder",
            fix=f"Set {', '.join(sorted(needed))} and PALO_DATA, or name --output FOLDER.",
        )
    try:
        measured = measure_beside(settings, _ROOT, pythons)
    except TimeOverError as over:
        say(f"the time is over before {over}; the next call goes on")
        return
    sizes = {f"{name}_batch": size for name, size in measured.micro_batches.items()}
    num_runs = {name: len(runs) for name, runs in measured.runs.items()}
    counts = {f"{name}_steps": number * settings.steps for name, number in num_runs.items()}
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration={
            **config.to_dict(dataclasses.replace(settings, output=None, cache=Path())),
            "environments": package_versions(pythons),
        },
        seeds=range(settings.seed, settings.seed + settings.repeats),
        counts=counts | sizes,
    )
    figures = list(beside_figures(settings, measured))
    publish("train_beside", figures, conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
