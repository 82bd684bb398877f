"""Writes requirements.lock anew: `make lock`.

    make lock                                  # versions stay where pyproject.toml allows it
    make lock ARGS="--upgrade-package pillow"  # any option of `uv pip compile`

It lists the files for Linux on x86-64 and ARM64 with the Pythons below, and the source archives.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

from install import find_uv
from lock_file import CORE, CUDA, HEADER, LOCK, ROOT, Pin, read_lock

_MACHINES = ("x86_64", "aarch64")
_PYTHONS = ("3.11", "3.12", "3.13")
_TARGETS = tuple(product(_MACHINES, _PYTHONS))
_UNIVERSAL = ("--universal", "--python-version", _PYTHONS[0])
_CUDA_PART = re.compile(r"(nvidia|cuda)-|triton$")


def _labels(project: dict[str, Any]) -> dict[str, list[str]]:
    """Returns, for each label, the options with which uv resolves what it stands for."""
    extras = project["project"]["optional-dependencies"]
    return (
        {CORE: ["pyproject.toml"]}
        | {name: ["pyproject.toml", "--extra", name] for name in extras}
        | {name: ["--group", f"pyproject.toml:{name}"] for name in project["dependency-groups"]}
    )


class _Resolver:
    """Resolves all labels together once, then each target's files and each label's names."""

    def __init__(self, folder: Path, uv: str, labels: dict[str, list[str]]) -> None:
        self._uv = uv
        self._folder = folder
        self._versions = folder / "versions.txt"
        self._groups = [part for one in labels.values() if "--group" in one for part in one]

    def resolve(self, options: list[str]) -> None:
        """Chooses the versions: those of the present lock where pyproject.toml allows it."""
        known = "".join(f"{pin.name}=={pin.version}\n" for pin in read_lock().values())
        self._versions.write_text(known, encoding="utf-8")
        # One version of each package for all Pythons.
        options = [*options, "--fork-strategy", "fewest", "--output-file", str(self._versions)]
        self._compile(*self._everything(), *_UNIVERSAL, *options)

    def files(self, machine: str, python: str) -> list[dict[str, Any]]:
        """Returns what one target installs, and the files that it may take."""
        files = self._folder / "pylock.toml"
        files.unlink(missing_ok=True)  # its versions would be preferred
        # A newer machine's index may offer the newer wheel alone; older ones take what fits them.
        target = ["--python-platform", f"{machine}-manylinux_2_40", "--python-version", python]
        self._compile_again(*self._everything(), *target, "--format", "pylock.toml", output=files)
        packages = tomllib.loads(files.read_text(encoding="utf-8"))["packages"]
        return [one for one in packages if "directory" not in one]  # palo itself

    def names(self, chosen: list[str]) -> set[str]:
        """Returns the packages that a label needs on any machine."""
        output = self._folder / "names.txt"
        output.unlink(missing_ok=True)
        # uv's cache has all that the first resolution asked of the index.
        self._compile_again(*chosen, *_UNIVERSAL, "--no-header", "--offline", output=output)
        return set(
            re.findall(r"^([\w-]+)(?:\[.*?\])?==", output.read_text(encoding="utf-8"), re.MULTILINE)
        )

    def _everything(self) -> list[str]:
        return ["pyproject.toml", "--all-extras", *self._groups]

    def _compile_again(self, *options: str, output: Path) -> None:
        same = ["--constraint", str(self._versions), "--output-file", str(output)]
        self._compile(*options, *same)

    def _compile(self, *options: str) -> None:
        command = [self._uv, "pip", "compile", "--quiet", "--no-annotate", *options]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603


def _marker(targets: set[tuple[str, str]]) -> str:
    """Returns the environment marker of some of the targets."""
    if targets == set(_TARGETS):
        return ""
    pythons = sorted({python for _, python in targets})
    machines = sorted({machine for machine, _ in targets})
    if set(product(machines, pythons)) != targets:
        sys.exit(f"no marker can be written for {sorted(targets)}")
    where = [" or ".join(f"python_version == '{python}'" for python in pythons)]
    if len(machines) < len(_MACHINES):
        where = [f"({where[0]})", f"platform_machine == '{machines[0]}'"]
    return " and ".join(where)


def _all_pins(resolver: _Resolver, labels: dict[str, list[str]]) -> dict[str, Pin]:
    pins: dict[str, Pin] = {}
    targets: dict[str, set[tuple[str, str]]] = {}
    for target in _TARGETS:
        for package in resolver.files(*target):
            name, version = package["name"], package["version"]
            pin = pins.setdefault(name, Pin(name=name, version=version))
            if pin.version != version:
                sys.exit(f"{name} has two versions: {pin.version} and {version}")
            files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
            pin.hashes.update(file["hashes"]["sha256"] for file in files)
            targets.setdefault(name, set()).add(target)
    for label, chosen in labels.items():
        for name in resolver.names(chosen) & pins.keys():
            pins[name].labels.add(label)
    for name, pin in pins.items():
        pin.marker = _marker(targets[name])
        if CORE in pin.labels:
            pin.labels = {CORE}
        elif _CUDA_PART.match(name):
            pin.labels = {CUDA}
    return pins


def main() -> None:
    """Resolves pyproject.toml, and writes the lock file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    uv = find_uv()
    if uv is None:
        sys.exit("`make lock` needs uv, and neither this machine nor its package index has it")
    labels = _labels(project)
    with tempfile.TemporaryDirectory() as folder:
        resolver = _Resolver(Path(folder), uv, labels)
        resolver.resolve(sys.argv[1:])
        pins = _all_pins(resolver, labels)
    cpu = project["tool"]["palo"]["torch-cpu"]
    if pins["torch"].version + "+cpu" != cpu["version"]:
        sys.exit(f"pyproject.toml has the hashes of torch {cpu['version']}: bring them up to date")
    pins["torch"].hashes.update(cpu["sha256"])
    text = HEADER + "".join(str(pin) for pin in sorted(pins.values(), key=lambda pin: pin.name))
    LOCK.write_text(text, encoding="utf-8")
    print(
        f"{LOCK.name}: {len(pins)} packages, {sum(len(pin.hashes) for pin in pins.values())} files"
    )


if __name__ == "__main__":
    main()
