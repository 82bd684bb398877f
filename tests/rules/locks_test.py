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

_PIN = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[\w.+]+)(?: ; (?P<marker>.+))?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_LOCK = "requirements.lock"


@dataclass(frozen=True)
class Locked:
    version: str
    hashes: list[str]
    labels: set[str]


def _read_lock(root: Path) -> dict[str, Locked]:
    found: dict[str, Locked] = {}
    text = (root / _LOCK).read_text(encoding="utf-8").partition("\n\n")[2]
    for entry in re.split(r"\n(?=\w)", text.replace(" \\\n    --hash", "\n--hash").strip()):
        pin, *hashes, labels = entry.splitlines()
        match = _PIN.fullmatch(pin)
        assert match, f"not a plain pin: {entry[:80]}"
        assert hashes, f"{pin} has no hash"
        assert all(map(_HASH.fullmatch, hashes)), pin
        assert labels.startswith("    # "), f"{pin} has no labels"
        assert match["name"] not in found, f"{pin} is there twice"
        named = set(labels.removeprefix("    # ").split(", "))
        found[match["name"]] = Locked(match["version"], hashes, named)
    return found


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, Locked]:
    """What the lock pins."""
    return _read_lock(root)


def _missing(wanted: list[str], lock: dict[str, Locked], label: str) -> list[str]:
    """Returns what the lock doesn't pin, or doesn't install for a label."""
    requirements = [Requirement(text) for text in wanted]
    return [
        str(one)
        for one in requirements
        if canonicalize_name(one.name) != "palo"
        and (
            (pin := lock.get(canonicalize_name(one.name))) is None
            or not one.specifier.contains(pin.version)
            or not pin.labels & {"core", label}
        )
    ]


def test_every_line_is_one_version_with_its_hashes(locked: dict[str, Locked]) -> None:
    assert len(locked) > 200


def test_no_lock_is_unknown_to_these_tests(root: Path) -> None:
    found = [path.relative_to(root) for path in root.rglob("*.lock")]
    own = [str(path) for path in found if path.parts[0] not in (".venv", ".cache", "runs")]
    assert own == [_LOCK]


def test_the_lock_has_what_the_project_asks_for(
    project: dict[str, Any], locked: dict[str, Locked]
) -> None:
    extras = project["project"]["optional-dependencies"] | project["dependency-groups"]
    assert not _missing(project["project"]["dependencies"], locked, "core")
    assert {name: _missing(wanted, locked, name) for name, wanted in extras.items()} == {
        name: [] for name in extras
    }
    known = {label for pin in locked.values() for label in pin.labels}
    assert known == {"core", "cuda", *extras}


def test_a_room_is_installed_without_the_heavy_libraries_of_others(
    locked: dict[str, Locked],
) -> None:
    assert "serve" not in locked["deepspeed"].labels
    assert "train" not in locked["gradio"].labels
    assert not {"core", "translate", "review"} & (locked["torch"].labels | locked["ray"].labels)
    assert not {"core", "train", "serve"} & locked["pytest"].labels


def test_what_builds_packages_is_locked_to_what_is_installed_later(
    project: dict[str, Any], locked: dict[str, Locked]
) -> None:
    assert project["build-system"]["requires"] == project["dependency-groups"]["build"]
    assert "build" in locked["setuptools"].labels


def test_both_builds_of_torch_are_one_version(
    project: dict[str, Any], locked: dict[str, Locked]
) -> None:
    """Hashes of a newer CPU build are in the list of files of PyTorch's CPU index."""
    cpu = project["tool"]["palo"]["torch-cpu"]
    assert cpu["version"] == locked["torch"].version + "+cpu"
    assert {f"--hash=sha256:{digest}" for digest in cpu["sha256"]} < set(locked["torch"].hashes)


def test_the_libraries_of_cuda_are_apart(locked: dict[str, Locked]) -> None:
    parts = {name for name, pin in locked.items() if pin.labels == {"cuda"}}
    assert {"nvidia-cudnn-cu13", "nvidia-nccl-cu13", "triton"} <= parts
    assert parts == {name for name in locked if name.startswith(("nvidia-", "cuda-", "triton"))}


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
            if name == "palo" or (name, chosen) in seen:
                continue
            seen.add((name, chosen))
            found = importlib.metadata.distribution(name)
            yield found
            waiting += [(Requirement(text), chosen) for text in found.requires or ()]


def test_what_is_installed_is_what_the_lock_says(
    project: dict[str, Any], locked: dict[str, Locked]
) -> None:
    wrong = [
        f"{found.name} {found.version}"
        for found in _installed(project)
        if (pin := locked.get(canonicalize_name(found.name))) is None
        or pin.version != found.version.partition("+")[0]
    ]
    assert not wrong


def test_pip_takes_nothing_without_its_hash(root: Path) -> None:
    """Only the project itself, which is no file of a registry, is installed otherwise."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    assert "pip install" not in makefile
    program = (root / "requirements" / "install.py").read_text(encoding="utf-8")
    installs = [line.strip() for line in program.splitlines() if '"install"' in line]
    assert [line for line in installs if "--require-hashes" not in line] == [
        'self._run("install", *self._options, *_AGAIN, "--no-index", _sources(Path(folder)))',
        'self._run("install", *self._options, *_LINKED, "--no-index", "--editable", str(ROOT))',
        'command = [*_PIP, "install", *options, "--requirement", chosen.name]',
    ]
    assert '"--no-deps", "--require-hashes", "--target"' in program  # those options
