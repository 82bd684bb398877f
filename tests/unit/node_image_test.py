"""The image of a node and bare nodes are set up by one script, which does nothing twice."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from setuptools import find_namespace_packages
from tests.conftest import ROOT

_IMAGE = ROOT / "cluster" / "image"
_DOCKERFILE = (_IMAGE / "Dockerfile").read_text(encoding="utf-8")


def _program(folder: Path, name: str, does: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "$CALLS"\n{does}\n', encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stand-ins, first on the path, whose calls are written down."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("PALO_IMAGE", raising=False)
    return folder


def _calls(programs: Path) -> list[str]:
    path = programs.parent / "calls"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _run(script: str, *arguments: str, folder: Path = _IMAGE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(folder / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What a node is given, with the folder of the script."""
    folder = tmp_path / "palo"
    for name in ("requirements", "platform", "apps", "jobs"):
        (folder / name).mkdir(parents=True)
    for name in ("requirements.lock", "pyproject.toml", "platform/palo.py"):
        (folder / name).write_text("", encoding="utf-8")
    shutil.copytree(_IMAGE, folder / "cluster" / "image")
    return folder


@pytest.fixture
def node(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virtual environment whose Python only writes down what it is asked."""
    for name in ("g++", "rsync", "sudo", "apt-get"):
        _program(programs, name, "")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    _program(tmp_path / "venv" / "bin", "python", "")
    monkeypatch.setenv("PALO_VENV", str(tmp_path / "venv"))
    return programs


def test_a_node_is_set_up_once_until_something_changes(node: Path, sources: Path) -> None:
    script = sources / "cluster" / "image"
    assert _run("setup_node.sh", folder=script).returncode == 0
    first = [call for call in _calls(node) if call.startswith("python")]
    assert [re.sub(r"/.*/", "", call) for call in first[:2]] == [
        "python install.py train evaluate serve translate --packages-only",
        "python install.py train evaluate serve translate --copy",
    ]
    assert "kernel_library()" in first[2]
    again = _run("setup_node.sh", folder=script)
    assert again.stdout == "setup_node.sh: nothing has changed\n"
    assert [call for call in _calls(node) if call.startswith("python")] == first
    (sources / "platform" / "palo.py").write_text("changed = True\n", encoding="utf-8")
    assert _run("setup_node.sh", folder=script).returncode == 0
    assert [call for call in _calls(node) if call.startswith("python")] == first * 2


def test_a_checkout_that_somebody_works_in_stays_linked(node: Path, sources: Path) -> None:
    (sources / ".git").mkdir()
    assert _run("setup_node.sh", "palo", folder=sources / "cluster" / "image").returncode == 0
    assert "--copy" not in "".join(_calls(node))


def test_what_an_installer_refuses_is_tried_again(node: Path) -> None:
    _program(node.parent / "venv" / "bin", "python", "exit 1")
    assert _run("setup_node.sh").returncode != 0
    assert _run("setup_node.sh").returncode != 0
    assert len([call for call in _calls(node) if call.startswith("python")]) == 2


def test_a_container_of_the_image_has_nothing_to_do(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALO_IMAGE", "v1")
    assert "nothing to set up" in _run("setup_node.sh").stdout
    assert not _calls(node)


def test_a_step_for_one_build_of_pytorch(node: Path) -> None:
    assert _run("setup_node.sh", "packages", "cuda").returncode == 0
    (call,) = _calls(node)
    assert call.endswith("--torch cuda --packages-only")


def test_a_setting_names_the_build_of_pytorch(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For machines that can't ask a package index which builds there are."""
    monkeypatch.setenv("PALO_TORCH", "cpu")
    assert _run("setup_node.sh", "packages").returncode == 0
    (call,) = _calls(node)
    assert call.endswith("--torch cpu --packages-only")


def test_a_machine_with_a_gpu_gets_pytorchs_build_for_it(node: Path) -> None:
    _program(node, "nvidia-smi", "")
    assert _run("setup_node.sh", "packages").returncode == 0
    assert "--torch cuda" in "".join(_calls(node))


def test_an_unknown_step_is_named(node: Path) -> None:
    result = _run("setup_node.sh", "kernals")
    assert (result.returncode, "kernals" in result.stderr) == (2, True)
    assert not _calls(node)


@pytest.fixture
def disks(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node whose disks are empty."""
    _program(programs, "blkid", "exit 2")
    _program(programs, "mdadm", "")
    monkeypatch.setenv("PALO_DISK_MOUNT", str(tmp_path / "local"))
    return programs


def _devices(command: str) -> list[str]:
    return [word for word in command.split() if word.startswith("/dev/")]


@pytest.mark.parametrize(
    ("listed", "made"),
    [
        ("", []),
        ("nvme1n1", ["mkfs.ext4 /dev/nvme1n1", "mount /dev/nvme1n1"]),
        (
            "nvme1n1 nvme2n1",
            [
                "mdadm /dev/md/palo /dev/nvme1n1 /dev/nvme2n1",
                "mkfs.ext4 /dev/md/palo",
                "mount /dev/md/palo",
            ],
        ),
    ],
)
def test_disks_of_the_instance_become_one(disks: Path, listed: str, made: list[str]) -> None:
    lines = [f"/dev/{name} Amazon EC2 NVMe Instance Storage" for name in listed.split()]
    others = "/dev/nvme0n1 Amazon Elastic Block Store"
    _program(disks, "lsblk", "\n".join(f"echo '{line}'" for line in [others, *lines]))
    result = _run("scratch_disks.sh", "--dry-run")
    assert result.returncode == 0, result.stderr
    told = result.stdout.splitlines()
    shown = [" ".join(line.split()[:1] + _devices(line)) for line in told if _devices(line)]
    assert shown == made
    assert "nvme0n1" not in result.stdout
    assert told[-1].startswith("install -d ")


def test_a_disk_that_holds_something_is_left_alone(
    disks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(disks, "blkid", 'case "$*" in *--label*) exit 2;; esac; exit 0')
    monkeypatch.setenv("PALO_DISKS", "/dev/nvme1n1")
    told = _run("scratch_disks.sh", "--dry-run").stdout
    assert "/dev/nvme1n1 isn't empty: left alone" in told
    assert "mkfs" not in told


def test_what_was_made_before_is_mounted_again(disks: Path) -> None:
    _program(disks, "blkid", 'case "$*" in *--label*) echo /dev/md127; exit 0;; esac; exit 2')
    told = _run("scratch_disks.sh", "--dry-run").stdout
    assert "mount -o noatime,nodiratime /dev/md127" in told
    assert "mkfs" not in told


def test_the_image_is_built_of_a_pinned_python_by_the_same_script() -> None:
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", _DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.11\.\d+-slim-\w+", base)
    assert "pip install" not in _DOCKERFILE
    steps = re.findall(r"RUN cluster/image/setup_node\.sh (\w+)", _DOCKERFILE)
    assert steps == ["system", "packages", "packages", "palo"]


def test_the_image_ends_as_a_user_without_rights() -> None:
    assert re.findall(r"^USER (.+)$", _DOCKERFILE, re.MULTILINE) == ["1000:1000"]
    after = _DOCKERFILE.partition("USER 1000:1000")[2]
    assert not re.search(r"^(RUN|COPY|ADD) ", after, re.MULTILINE)


def test_a_login_shell_finds_the_environment_too() -> None:
    """Debian's /etc/profile sets the path anew, and `ray up` runs commands in login shells."""
    (path,) = re.findall(r"^    PATH=(\S+):\$\{PATH\}", _DOCKERFILE, re.MULTILINE)
    assert f"export PATH={path}:$PATH' > /etc/profile.d/palo.sh" in _DOCKERFILE


def test_what_is_copied_exists_and_is_let_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = [
        name
        for line in re.findall(r"^COPY (.+)$", _DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    for name in copied:
        assert (ROOT / name).exists()
        assert any(f"{name}/".startswith(f"{one}/") for one in allowed), name
    assert "*" in ignore


def test_apps_and_jobs_are_packages_of_the_installed_palo() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    told = found["tool"]["setuptools"]["packages"]["find"]
    packages = {
        name
        for where in told["where"]
        for name in find_namespace_packages(str(ROOT / where), include=told["include"])
    }
    assert {"palo", "palo.serve", "apps", "jobs"} <= packages
    assert not [name for name in packages if name.startswith(("jobs.", "tests", "docs", "cluster"))]
