"""The training drill's Ceph goes away, comes back with all it holds, and leaves nothing."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time

import psutil
import pytest
from tests.fixtures.ceph import CephGateway
from tests.fixtures.s3 import make_bucket

from palo.errors import ConfigError, StorageError

STARTS_AND_IS_KILLED = """
import os, psutil
from training.ceph_gateway import CephGateway
CephGateway("testing", "testing").start()
print(*(process.pid for process in psutil.Process().children()), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def temporary_folders(tmp_path, monkeypatch):
    """Where clusters keep their files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def daemons():
    return {p.pid for p in psutil.Process().children() if p.name().startswith(("ceph-", "radosgw"))}


def runs(pid):
    """Whether it is more than an entry that its new parent hasn't read."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.ceph
def test_it_goes_away_in_two_ways_comes_back_and_leaves_nothing(
    ceph_installed, s3_environment, temporary_folders, monkeypatch
):
    monkeypatch.setenv("PALO_S3_ATTEMPTS", "1")
    monkeypatch.setenv("PALO_S3_TIMEOUT_S", "0.3")
    others = daemons()
    with contextlib.closing(CephGateway("testing", "testing")) as gateway:
        gateway.start()
        assert len(daemons() - others) == 3
        path = make_bucket(f"127.0.0.1:{gateway.port}") / "folder" / "a.bin"
        path.write_bytes(b"kept")
        for leave, come_back, seen in (
            (gateway.stop, gateway.start, "Could not connect"),
            (gateway.suspend, gateway.resume, "Read timeout"),
        ):
            leave()
            with pytest.raises(StorageError, match=rf"tried once: .*{seen}"):
                path.read_bytes()
            come_back()
            assert path.read_bytes() == b"kept"
    assert daemons() == others
    assert list(temporary_folders.iterdir()) == []


@pytest.mark.ceph
def test_one_that_does_not_come_up_leaves_nothing(ceph_installed, temporary_folders, monkeypatch):
    monkeypatch.setattr(
        sys.modules[CephGateway.__module__], "_SETTINGS", "[global]\nmon host = nonsense:0:0\n"
    )
    others = daemons()
    with pytest.raises(StorageError, match=r"Ceph doesn't come up: .*Look for memory"):
        CephGateway("testing", "testing")
    assert daemons() == others
    assert list(temporary_folders.iterdir()) == []


@pytest.mark.ceph
def test_a_killed_process_takes_its_cluster_with_it(ceph_installed, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    command = [sys.executable, "-c", STARTS_AND_IS_KILLED]
    done = subprocess.run(command, capture_output=True, text=True)
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 3, done.stderr
    until = time.monotonic() + 10
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def test_a_machine_without_ceph_is_told_the_packages(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"installed here: no ceph, .*apt-get .*ceph-osd radosgw"):
        CephGateway("testing", "testing")
