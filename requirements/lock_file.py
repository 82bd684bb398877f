"""The lock file: the version of each package, its hashes, and the extras that need it.

It is a requirements file, so that `pip install --require-hashes --no-deps --requirement
requirements.lock` installs all of it. The comment below each package holds its labels: `core`, the
extras and the dependency groups of pyproject.toml, or `cuda`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
CORE = "core"
CUDA = "cuda"
HEADER = """\
# Written by `make lock`: edit pyproject.toml instead. The comment below a package names the extras
# and groups that need it: `make setup EXTRAS=serve` installs `core` and `serve` alone.

"""
_PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[\w.+]+)(?: ; (?P<marker>[^\\]+?))?(?: \\)?")


@dataclass(kw_only=True)
class Pin:
    """A package in the lock file.

    Attributes:
        name: Its normalised name.
        version: Its one version.
        hashes: The SHA-256 of each file that may be installed.
        labels: The extras and groups that need it, or `core`, or `cuda`.
        marker: Where it is needed, as an environment marker; empty if everywhere.
    """

    name: str
    version: str
    hashes: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    marker: str = ""

    def __str__(self) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(self.hashes))
        return (
            f"{self.name}=={self.version}{marker}{hashes}\n    # {', '.join(sorted(self.labels))}\n"
        )


def read_lock(path: Path = LOCK) -> dict[str, Pin]:
    """Returns the packages of the lock file by their names; none where there is no file.

    Args:
        path: The lock file.

    Raises:
        ValueError: A line is neither a pin with one version nor a hash nor labels.
    """
    pins: dict[str, Pin] = {}
    pin = Pin(name="", version="")
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        text = line.strip()
        if line.startswith("    --hash=sha256:"):
            pin.hashes.add(text.removesuffix(" \\").removeprefix("--hash=sha256:"))
        elif line.startswith("    # "):
            pin.labels.update(text.removeprefix("# ").split(", "))
        elif match := _PIN.fullmatch(text):
            pin = Pin(name=match["name"], version=match["version"], marker=match["marker"] or "")
            pins[pin.name] = pin
        elif text and not line.startswith("#"):
            raise ValueError(f"{path.name}: not a pin: {text[:80]}")
    return pins
