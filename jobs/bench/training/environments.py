"""Other trainers' environments: a variable names the Python that has one."""

import os
import subprocess
from collections.abc import Mapping

from resuming import say

TRL = "PALO_TRL_PYTHON"
"""Environment variable with a Python that has TRL."""
LLAMA_FACTORY = "PALO_LLAMA_FACTORY_PYTHON"
"""Environment variable with a Python that has LLaMA-Factory."""

_PACKAGES = {TRL: ("trl", "transformers"), LLAMA_FACTORY: ("llamafactory", "transformers")}
_ASK = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"


def installed() -> dict[str, str]:
    """Returns the Pythons that are there by their variables, and says which aren't."""
    for variable, packages in _PACKAGES.items():
        if not os.environ.get(variable):
            say(f"{packages[0]} is left out: {variable} names no Python that has it")
    return {variable: os.environ[variable] for variable in _PACKAGES if os.environ.get(variable)}


def package_versions(pythons: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Returns the versions of the packages that matter, by the variable of their environment.

    Args:
        pythons: The Pythons by their variables.
    """
    versions = {}
    for variable, python in pythons.items():
        names = _PACKAGES[variable]
        command = [python, "-c", _ASK, *names]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        versions[variable] = dict(zip(names, done.stdout.split(), strict=True))
    return versions
