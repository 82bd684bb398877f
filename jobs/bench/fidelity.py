"""Measures fidelity to the language of the question: `make bench NAME=fidelity`.

The nano model learns from images that speak English alone to describe them, and does so in English
whatever the language of the request. Each remedy is tried from the same pretrain stage:
conversations without images in the other languages (text); a few images in them (few), seen more
often at a temperature (evened); alignment on parallel text before (aligned). All are asked the
same held-out questions, and for descriptions, in ten languages. `--stop-after-s 240` runs a
portion; the next call goes on, at the same commit.
"""

import dataclasses
from pathlib import Path

from fidelity_parts.settings import FidelityBench, arms_of
from resuming import Kept, TimeOverError, say

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "transformers", "peft", "ray", "py3langid")


def main(arguments: list[str]) -> None:
    """Runs the bench, or a portion of it."""
    settings = override(FidelityBench(), arguments, "jobs/bench/fidelity.py")
    config.check(settings)
    machine = hardware()
    from fidelity_parts.figures import fidelity_figures
    from fidelity_parts.runs import all_answers

    same = dataclasses.replace(settings, output=None, cache=Path(), stop_after_s=None)
    kept = Kept(same, settings.cache, _ROOT, settings.stop_after_s)
    try:
        answers = all_answers(settings, kept)
    except TimeOverError as over:
        say(f"the time is over before {over}; the next call goes on")
        return
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=same,
        seeds=settings.seeds,
        counts={
            "requests_each_language": 3 * settings.heldout_scenes,
            "remedies": len(arms_of(settings)) - 1,
            "models": len(answers),
        },
    )
    publish("fidelity", list(fidelity_figures(settings, answers)), conditions, root=_ROOT,
            folder=settings.output)  # fmt: skip


if __name__ == "__main__":
    run_job(main)
