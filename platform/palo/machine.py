"""What results are measured with: this machine's hardware and the versions of its software."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

_GIB = 2**30


def hardware() -> dict[str, Any]:
    """Describes this machine and its load; call it before a measurement, which is load too."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": models[0] if models else platform.machine(),
        "num_cpus": os.cpu_count(),
        "memory_gib": round(pages / _GIB, 1),
        "gpus": command_lines("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of Python and of these distributions.

    Args:
        packages: Names of distributions.
    """
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def command_lines(program: str, *arguments: str) -> list[str]:
    """Returns the lines that a program prints, none where it is missing or fails.

    Args:
        program: Name of the program.
        *arguments: Its arguments.
    """
    command = shutil.which(program)
    if command is None:
        return []
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed programs
    return done.stdout.splitlines() if done.returncode == 0 else []
