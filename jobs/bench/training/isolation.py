"""Whether packed samples see their neighbours, with each packer in its own environment."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resuming import say
from training.environments import LLAMA_FACTORY, TRL

from palo.benchmark import Figure, spread
from palo.errors import ResourceError

PACKERS = {"palo": None, "trl": TRL, "llama_factory": LLAMA_FACTORY}
"""Environment variable with the Python that has the packer, by the packer's name."""

_PROGRAMS = Path(__file__).parent / "programs"
_RESULT = "RESULT "
_LOSS_BOUND, _GRADIENT_BOUND = 1e-5, 1e-6
_LOG_CHARACTERS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class IsolationBench:
    """Settings of the bench.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        repeats: Models and samples, each with a seed of its own.
        seed: First seed.
    """

    output: Path | None = None
    repeats: int = 3
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.repeats < 1:
            yield f"repeats is {self.repeats} but must be at least 1"


def isolation_figures(settings: IsolationBench, pythons: Mapping[str, str]) -> list[Figure]:
    """Runs each packer's program once for each seed.

    Args:
        settings: The bench's.
        pythons: The Pythons of other environments, by their variables.

    Returns:
        Of each way of packing the largest difference of a sample's loss, in nats, and one minus the
        least cosine between the gradients of a block.

    Raises:
        ResourceError: If a program ends with an error.
    """
    differences: dict[str, list[float]] = {}
    gaps: dict[str, list[float]] = {}
    for packer, variable in PACKERS.items():
        if variable is not None and variable not in pythons:
            continue
        python = pythons[variable] if variable else sys.executable
        for seed in range(settings.seed, settings.seed + settings.repeats):
            say(f"{packer}, seed {seed}")
            for result in _results(packer, python, seed):
                differences.setdefault(result["name"], []).append(result["loss_difference"])
                gaps.setdefault(result["name"], []).append(result["gradient_gap"])
    return [
        figure
        for name in differences
        for figure in (
            _figure(f"{name}_loss_difference", differences[name], "nats", _LOSS_BOUND),
            _figure(f"{name}_gradient_gap", gaps[name], "1", _GRADIENT_BOUND),
        )
    ]


def _figure(name: str, values: Sequence[float], unit: str, bound: float) -> Figure:
    """Returns the worst of all seeds; only our own way must keep to the bound."""
    worst = [max(values)]
    if name.startswith("palo_"):
        return spread(name, worst, unit, target=bound, better="lower")
    return spread(name, worst, unit)


def _results(packer: str, python: str, seed: int) -> list[dict[str, Any]]:
    command = [python, str(_PROGRAMS / f"isolation_{packer}.py"), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ResourceError(
            f"{packer} has ended with exit code {done.returncode}",
            seen=done.stderr[-_LOG_CHARACTERS:],
            fix=f"Run {' '.join(command)}.",
        )
    lines = done.stdout.splitlines()
    return [json.loads(line.removeprefix(_RESULT)) for line in lines if line.startswith(_RESULT)]
