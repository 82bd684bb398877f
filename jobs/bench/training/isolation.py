"""Whether packed samples see their neighbours, with each packer in its own environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resuming import say

from palo.benchmark import Figure, spread
from palo.errors import ResourceError

PYTHONS = {"palo": None, "trl": "PALO_TRL_PYTHON", "llama_factory": "PALO_LLAMA_FACTORY_PYTHON"}
"""Environment variable with the Python that has the packer, by the packer's name."""

_PROGRAMS = Path(__file__).parent / "programs"
_RESULT, _PACKAGE = "RESULT ", "PACKAGES "
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


def installed() -> dict[str, str]:
    """Returns the Python of each packer that is there, and says which aren't."""
    pythons = {}
    for name, variable in PYTHONS.items():
        if variable is None:
            pythons[name] = sys.executable
        elif python := os.environ.get(variable):
            pythons[name] = python
        else:
            say(f"{name} is left out: {variable} names no Python that has it")
    return pythons


def isolation_figures(
    settings: IsolationBench, pythons: Mapping[str, str]
) -> tuple[list[Figure], dict[str, str]]:
    """Runs each packer's program once for each seed.

    Args:
        settings: The bench's.
        pythons: The Python of each packer.

    Returns:
        Of each way of packing the largest difference of a sample's loss, in nats, and one minus the
        least cosine between the gradients of a block; and the versions of the others' packages.

    Raises:
        ResourceError: If a program ends with an error.
    """
    differences: dict[str, list[float]] = {}
    gaps: dict[str, list[float]] = {}
    versions: dict[str, str] = {}
    for packer, python in pythons.items():
        for seed in range(settings.seed, settings.seed + settings.repeats):
            say(f"{packer}, seed {seed}")
            for line in _lines(packer, python, seed):
                if line.startswith(_PACKAGE):
                    versions |= json.loads(line.removeprefix(_PACKAGE))
                elif line.startswith(_RESULT):
                    result = json.loads(line.removeprefix(_RESULT))
                    differences.setdefault(result["name"], []).append(result["loss_difference"])
                    gaps.setdefault(result["name"], []).append(result["gradient_gap"])
    figures = [
        figure
        for name in differences
        for figure in (
            _figure(f"{name}_loss_difference", differences[name], "nats", _LOSS_BOUND),
            _figure(f"{name}_gradient_gap", gaps[name], "1", _GRADIENT_BOUND),
        )
    ]
    return figures, versions


def _figure(name: str, values: Sequence[float], unit: str, bound: float) -> Figure:
    """Returns the worst of all seeds; only our own way must keep to the bound."""
    worst = [max(values)]
    if name.startswith("palo_"):
        return spread(name, worst, unit, target=bound, better="lower")
    return spread(name, worst, unit)


def _lines(packer: str, python: str, seed: int) -> list[str]:
    command = [python, str(_PROGRAMS / f"isolation_{packer}.py"), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ResourceError(
            f"{packer} has ended with exit code {done.returncode}",
            seen=done.stderr[-_LOG_CHARACTERS:],
            fix=f"Run {' '.join(command)}.",
        )
    return done.stdout.splitlines()
