"""The GPU driver against the CUDA that PyTorch was built with. PyTorch isn't loaded for it."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from palo.doctor.finding import Finding, fault, good, warning
from palo.machine import command_lines

# The oldest Linux driver of each major version of CUDA, whose minor versions are compatible.
# Source: NVIDIA, CUDA Toolkit release notes, table of minimum driver versions.
_OLDEST_DRIVER = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580, 65, 6)}


def check_gpu() -> Iterator[Finding]:
    """Yields whether this machine's GPUs, their driver and PyTorch's build fit together."""
    lines = command_lines("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    yield from compare_driver(lines, torch_cuda())


def torch_cuda() -> str | None:
    """Returns the CUDA that PyTorch was built with; "" for a CPU build, None without PyTorch."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    found = re.search(r"^cuda(?:: Optional\[str\])? = ['\"]([\d.]+)['\"]", text, re.MULTILINE)
    return found[1] if found else ""


def compare_driver(gpus: list[str], cuda: str | None) -> Iterator[Finding]:
    """Yields whether GPUs, driver and PyTorch's build fit together.

    Args:
        gpus: A line for each GPU: its name, a comma, the driver's version; none without GPUs.
        cuda: The version of CUDA that PyTorch was built with; see `torch_cuda`.
    """
    if cuda is None:
        yield warning("GPU", "PyTorch isn't installed", 'Run make setup, or EXTRAS="serve".')
        return
    if not gpus:
        yield good("GPU", "none" if not cuda else f"none; PyTorch was built with CUDA {cuda}")
        return
    name, _, driver = (part.strip() for part in gpus[0].rpartition(","))
    text = f"{len(gpus)} x {name}, driver {driver}"
    if not cuda:
        yield fault("GPU", f"{text}, but PyTorch's build for CPUs", "Run make setup TORCH=cuda.")
        return
    oldest = _OLDEST_DRIVER.get(int(cuda.partition(".")[0]))
    if oldest is None:
        yield warning("GPU", f"{text}; CUDA {cuda} is unknown here", "Compare them by hand.")
    elif tuple(map(int, re.findall(r"\d+", driver))) < oldest:
        needed = ".".join(f"{part:02}" for part in oldest)
        yield fault(
            "GPU",
            f"{text}, is too old for PyTorch's CUDA {cuda}",
            f"Install driver {needed} or newer, or take a newer machine image.",
        )
    else:
        yield good("GPU", f"{text}, CUDA {cuda}")
