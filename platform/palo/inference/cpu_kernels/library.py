"""Compiles the kernels for this machine, once, and loads them."""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from palo.account import cache_folder
from palo.errors import ResourceError

_LOG = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent
_SOURCE = _FOLDER / "kernels.cpp"
_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-std=c++17", "-O3", "-fopenmp", "-fPIC", "-shared")
_NATIVE = {"x86_64": "-march=native", "aarch64": "-mcpu=native"}
_COMPILE_S = 120
_SHOWN_LINES = 3

_ADDRESS, _SIZE, _COUNT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
_ARGUMENTS: dict[str, list[Any]] = {
    "linear": [_ADDRESS] * 3 + [_SIZE] * 3 + [_COUNT],
    "rms_norm": [_ADDRESS] * 3 + [_SIZE] * 2 + [ctypes.c_float],
    "silu_gate": [_ADDRESS] * 2 + [_SIZE] * 2,
    "attend": [_ADDRESS] * 3 + [_SIZE, _ADDRESS, _COUNT],
}


class KernelLibrary:
    """The compiled kernels; kernels.cpp says what each computes.

    Args:
        path: The compiled file.

    Attributes:
        panel: Outputs that lie side by side in packed weights.
        most_shared_heads: Most query heads that may share a key head.

    Raises:
        OSError: If the file can't be loaded.
    """

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        for name, arguments in _ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, None
        for name in ("panel_width", "most_shared_heads"):
            getattr(library, name).restype = _SIZE
        self.panel: int = library.panel_width()
        self.most_shared_heads: int = library.most_shared_heads()
        self.linear = library.linear
        self.rms_norm = library.rms_norm
        self.silu_gate = library.silu_gate
        self.attend = library.attend


@functools.cache
def kernel_library() -> KernelLibrary | None:
    """Returns the kernels for this machine, compiled at the first call of all processes.

    Returns:
        The kernels; None where they can't be compiled, which the log explains.
    """
    try:
        return KernelLibrary(_compiled())
    except (OSError, ResourceError) as error:
        _LOG.warning("the engine runs without its own CPU kernels, and slower: %s", error)
        return None


def _compiled() -> Path:
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise ResourceError(
            "there is no C++ compiler", seen=", ".join(_COMPILERS), fix="Install g++, or set CXX."
        )
    command = [compiler, *_FLAGS, *filter(None, [_NATIVE.get(platform.machine())])]
    name = hashlib.sha256()
    files = [path.read_text(encoding="utf-8") for path in sorted(_FOLDER.glob("*.[hc]*"))]
    for part in ("\0".join(command), _processor(), *files):
        name.update(part.encode())
    path = cache_folder() / "kernels" / f"{name.hexdigest()[:32]}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several replicas may compile at once: each writes its own file, and the last name wins.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            partial = Path(folder) / path.name
            _run([*command, str(_SOURCE), "-o", str(partial)])
            partial.replace(path)
    return path


def _processor() -> str:
    """Names what `native` stands for: a cache on a shared disk may serve unlike machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features"))}))


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the compiler of this machine, or the user's own
            command, capture_output=True, text=True, timeout=_COMPILE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ResourceError(
            "the C++ compiler didn't end", seen=f"{_COMPILE_S} s", fix="Start again."
        ) from error
    if done.returncode:
        raise ResourceError(
            f"{command[0]} can't compile {_SOURCE.name}",
            seen=" | ".join(done.stderr.strip().splitlines()[:_SHOWN_LINES]),
            fix="Name another compiler by CXX.",
        )
