"""Writes the lock files anew: the version of each package, and the SHA-256 of its files.

    make lock                                  # versions stay where pyproject.toml allows it
    make lock ARGS="--upgrade-package pillow"  # any option of `uv pip compile`

A lock lists the files for Linux on x86-64 and ARM64 with the Pythons below, and the source archive.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_MAIN = "requirements.lock"
# What palo itself does not need, by the options of uv that choose it.
_APART = {
    "requirements/tools.lock": ["--group", "pyproject.toml:tools"],
    "requirements/mini.lock": ["--group", "pyproject.toml:mini", "--no-deps"],
}
_BUILD = "requirements/build.lock"
_CUDA = "requirements/cuda.lock"
_CUDA_PART = re.compile(r"(nvidia|cuda)-|(triton|torch)$")
_TARGETS = tuple(product(("x86_64", "aarch64"), ("3.11", "3.12")))
_HEADER = "# Written by `make lock`: edit pyproject.toml instead.\n"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A package in a lock file.

    Attributes:
        name: Its normalised name.
        version: Its one version.
        hashes: The SHA-256 of each file that may be installed.
    """

    name: str
    version: str
    hashes: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(self.hashes))
        return f"{self.name}=={self.version}{hashes}\n"


def _uv(*options: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet"]
    subprocess.run([*command, *options], cwd=ROOT, check=True)  # noqa: S603


def _read(name: str) -> str:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _compile(known: list[str], options: list[str], chosen: list[str]) -> dict[str, Pin]:
    """Resolves once, so that all targets have the same versions, then asks for each one's files."""
    pins: dict[str, Pin] = {}
    with tempfile.TemporaryDirectory() as folder:
        versions = Path(folder) / "versions.txt"
        # uv prefers the versions that its output file has.
        versions.write_text("".join(map(_read, known)), encoding="utf-8")
        _uv(*options, *chosen, *_target("x86_64", "3.11"), "--output-file", str(versions))
        for number, target in enumerate(_TARGETS):
            files = Path(folder) / f"pylock.{number}.toml"
            same = ("--constraint", str(versions), "--output-file", str(files))
            _uv(*options, *_target(*target), "--format", "pylock.toml", *same)
            _add_files(pins, tomllib.loads(files.read_text(encoding="utf-8")))
    return pins


def _target(machine: str, python: str) -> tuple[str, ...]:
    return ("--python-platform", f"{machine}-manylinux_2_28", "--python-version", python)


def _add_files(pins: dict[str, Pin], lock: dict[str, list[dict[str, object]]]) -> None:
    for package in lock["packages"]:
        name, version = str(package["name"]), str(package["version"])
        pin = pins.setdefault(name, Pin(name=name, version=version))
        if pin.version != version:
            sys.exit(f"{name} has two versions: {pin.version} and {version}")
        files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]  # type: ignore[misc]
        pin.hashes.update(file["hashes"]["sha256"] for file in files)


def _write(name: str, pins: list[Pin]) -> None:
    text = _HEADER + "".join(str(pin) for pin in sorted(pins, key=lambda pin: pin.name))
    (ROOT / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(pins)} packages, {sum(len(pin.hashes) for pin in pins)} files")


def main() -> None:
    """Resolves pyproject.toml, and writes all lock files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    _, chosen = parser.parse_known_args()
    everything = _compile([_MAIN, _CUDA], ["pyproject.toml", "--all-extras"], chosen)
    _write(_MAIN, [pin for pin in everything.values() if not _CUDA_PART.match(pin.name)])
    _write(_CUDA, [pin for pin in everything.values() if _CUDA_PART.match(pin.name)])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    builders = [re.split(r"[^\w-]", line)[0] for line in project["build-system"]["requires"]]
    _write(_BUILD, [everything[name] for name in builders])
    for name, options in _APART.items():
        _write(name, list(_compile([name], options, chosen).values()))


if __name__ == "__main__":
    main()
