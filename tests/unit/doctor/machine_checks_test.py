"""Each fault of a machine is one line that says what to do."""

import resource
import shutil
import socket
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from palo.doctor import machine_checks
from palo.doctor.finding import Finding
from palo.errors import StorageError

_GIB = 2**30
_Usage = namedtuple("_Usage", "total used free")


def _one(found: Any) -> Finding:
    (finding,) = found
    return finding


def test_this_python_is_supported() -> None:
    assert _one(machine_checks.check_python()).level == "ok"


@pytest.mark.parametrize("version", [(3, 10, 4), (3, 14, 0)])
def test_an_old_or_unknown_python(monkeypatch: pytest.MonkeyPatch, version: Any) -> None:
    monkeypatch.setattr(machine_checks.sys, "version_info", version)
    assert _one(machine_checks.check_python()).level == "fault"


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    real = machine_checks.version("numpy")
    lock.write_text(
        f"numpy=={real} \\\n    --hash=sha256:00\n    # core\n"
        "pytest==0.0.1 \\\n    --hash=sha256:00\n    # test\n"
        "not-installed==1.0 \\\n    --hash=sha256:00\n    # docs\n"
        "setuptools==0.1 \\\n    --hash=sha256:00\n    # build\n",
        encoding="utf-8",
    )
    found = _one(machine_checks.check_packages(lock))
    assert found.level == "fault"
    assert f"pytest {machine_checks.version('pytest')} for 0.0.1" in found.text
    assert "numpy" not in found.text
    assert "setuptools" not in found.text


def test_a_file_that_is_no_lock_is_a_fault(tmp_path: Path) -> None:
    """Regression: of a README it was said that 0 packages are as locked."""
    (tmp_path / "README.md").write_text("# A project\n", encoding="utf-8")
    found = _one(machine_checks.check_packages(tmp_path / "README.md"))
    assert (found.level, found.subject) == ("fault", "packages")
    for wrong in (tmp_path, tmp_path / "nope"):
        with pytest.raises(StorageError, match=f"can't read {wrong}"):
            _one(machine_checks.check_packages(wrong))


def test_a_build_of_torch_is_no_other_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("torch==2.13.0 \\\n    --hash=sha256:00\n    # model\n", encoding="utf-8")
    monkeypatch.setattr(machine_checks, "version", lambda name: "2.13.0+cpu")
    assert _one(machine_checks.check_packages(lock)).text == "1 as locked"


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "Install g++" in _one(machine_checks.check_compiler()).fix


@pytest.mark.parametrize(
    ("total", "free", "told"),
    [(4, 3, "8 GiB"), (64, 1, "End what takes it")],
)
def test_little_memory(
    monkeypatch: pytest.MonkeyPatch, total: float, free: float, told: str
) -> None:
    memory = SimpleNamespace(total=total * _GIB, available=free * _GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    found = list(machine_checks.check_memory())
    assert found[0].level == "warning"
    assert told in found[0].fix


def test_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(64 << 20, 0, 64 << 20))
    monkeypatch.setattr(machine_checks, "_SHARED_MEMORY", Path("/"))
    _, shared = machine_checks.check_memory()
    assert shared.level == "warning"
    assert "--shm-size" in shared.fix


@pytest.mark.parametrize(("free", "level"), [(1, "fault"), (5, "warning"), (100, "ok")])
def test_a_disk_without_room(monkeypatch: pytest.MonkeyPatch, free: float, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(0, 0, free * _GIB))
    assert {one.level for one in machine_checks.check_disk()} == {level}


def test_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 65536))
    assert "ulimit -n 65536" in _one(machine_checks.check_limits()).fix


def test_a_port_that_is_taken_is_named_with_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(machine_checks, "PORTS", {port: "the endpoint"})
        found = _one(machine_checks.check_ports())
    assert found.level == "warning"
    assert found.text.startswith(f"{port}, for the endpoint, is taken")
    assert psutil.Process().name() in found.text
    monkeypatch.setattr(machine_checks, "PORTS", {port: "the endpoint"})
    assert _one(machine_checks.check_ports()).level == "ok"
