"""Every package is pinned to files with known hashes, and the locks fit pyproject.toml."""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PIN = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[\w.+]+)")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_LOCKS = (
    "requirements.lock",
    *(f"requirements/{name}.lock" for name in ("build", "cpu", "cuda", "mini", "tools")),
)


@dataclass(frozen=True)
class Locked:
    version: str
    hashes: list[str]


def _lock(root: Path, name: str) -> dict[str, Locked]:
    text = (root / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = {}
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        pin, *hashes = entry.split()
        match = _PIN.fullmatch(pin)
        assert match, f"{name}: not a plain pin: {entry[:80]}"
        assert hashes, f"{name}: {pin} has no hash"
        assert all(map(_HASH.fullmatch, hashes)), f"{name}: {pin}"
        assert match["name"] not in found, f"{name}: {pin} is there twice"
        found[match["name"]] = Locked(match["version"], hashes)
    return found


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, Locked]:
    """What `make setup` installs here."""
    return _lock(root, "requirements.lock") | _lock(root, "requirements/cpu.lock")


def _missing(wanted: list[str], lock: dict[str, Locked]) -> list[str]:
    requirements = [Requirement(text) for text in wanted]
    return [
        str(one)
        for one in requirements
        if (pin := lock.get(canonicalize_name(one.name))) is None
        or not one.specifier.contains(pin.version.partition("+")[0])
    ]


@pytest.mark.parametrize("name", _LOCKS)
def test_every_line_is_one_version_with_its_hashes(root: Path, name: str) -> None:
    assert _lock(root, name)


def test_no_lock_is_unknown_to_these_tests(root: Path) -> None:
    found = [*root.glob("*.lock"), *(root / "requirements").glob("*.lock")]
    assert {str(path.relative_to(root)) for path in found} == set(_LOCKS)


def test_the_lock_has_what_the_project_asks_for(
    project: dict[str, Any], locked: dict[str, Locked]
) -> None:
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *(one for extra in extras for one in extra)]
    assert not _missing(wanted, locked)


@pytest.mark.parametrize(("group", "lock"), [("tools", "tools"), ("mini", "mini")])
def test_a_group_is_locked(root: Path, project: dict[str, Any], group: str, lock: str) -> None:
    wanted = project["dependency-groups"][group]
    assert not _missing(wanted, _lock(root, f"requirements/{lock}.lock"))


def test_what_builds_packages_is_locked_to_what_is_installed_later(
    root: Path, project: dict[str, Any], locked: dict[str, Locked]
) -> None:
    builders = _lock(root, "requirements/build.lock")
    assert not _missing(project["build-system"]["requires"], builders)
    assert builders.items() <= locked.items()


def test_both_builds_of_torch_are_one_version(root: Path) -> None:
    """Hashes of a newer CPU build are in the list of files of PyTorch's CPU index."""
    cpu = _lock(root, "requirements/cpu.lock")
    assert list(cpu) == ["torch"]
    assert cpu["torch"].version == _lock(root, "requirements/cuda.lock")["torch"].version + "+cpu"


def test_the_main_lock_brings_no_libraries_of_cuda(root: Path) -> None:
    names = set(_lock(root, "requirements.lock"))
    assert not names & set(_lock(root, "requirements/cuda.lock"))


def _installed(project: dict[str, Any]) -> Iterator[importlib.metadata.Distribution]:
    """Everything that the project and its extras need here, as the packages themselves tell."""
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *(one for extra in extras for one in extra)]
    waiting = [(Requirement(text), "") for text in wanted]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for chosen in {"", *requirement.extras}:
            if (name, chosen) in seen:
                continue
            seen.add((name, chosen))
            found = importlib.metadata.distribution(name)
            yield found
            waiting += [(Requirement(text), chosen) for text in found.requires or ()]


def test_what_is_installed_is_what_the_lock_says(
    root: Path, project: dict[str, Any], locked: dict[str, Locked]
) -> None:
    known = locked | ({} if _is_cpu_build() else _lock(root, "requirements/cuda.lock"))
    wrong = [
        f"{found.name} {found.version}"
        for found in _installed(project)
        if (pin := known.get(canonicalize_name(found.name))) is None or pin.version != found.version
    ]
    assert not wrong


def _is_cpu_build() -> bool:
    return "+" in importlib.metadata.version("torch")


def test_pip_takes_nothing_without_its_hash(root: Path) -> None:
    """Only the project itself, which is no file of a registry, is installed otherwise."""
    text = (root / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    assert not re.findall(
        r"pip install(?! --quiet --disable-pip-version-check --no-deps$)", text, re.M
    )
    assert "LOCKED  := $(INSTALL) --require-hashes\n" in text
    used = [
        line.strip() for line in text.splitlines() if "$(INSTALL)" in line and "LOCKED" not in line
    ]
    assert used == ["$(BIN)/python $(INSTALL) --no-build-isolation --no-index --editable ."]
    assert all("-r " in line for line in text.splitlines() if "$(LOCKED)" in line)
