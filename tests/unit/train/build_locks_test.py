import os
import subprocess
import sys

import pytest

from palo.train.build_locks import free_build_locks

_HOLD = """
import os, sys
os.open(sys.argv[1], os.O_CREAT | os.O_EXCL)
print("held", flush=True)
input()
"""


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """Where torch puts the lock of an extension."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    folder = tmp_path / "py311_cpu" / "some_extension"
    folder.mkdir(parents=True)
    return folder / "lock"


@pytest.fixture
def holder(lock):
    """Another process that holds the lock as torch's file baton does."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_the_lock_of_a_living_process_stays(lock, holder):
    assert free_build_locks() == []
    assert lock.exists()


def test_the_lock_of_a_killed_process_goes(lock, holder):
    holder.kill()
    holder.wait()
    assert lock.exists()
    assert free_build_locks() == [lock]
    assert not lock.exists()


def test_torch_loads_again_after_a_killed_process(lock, holder):
    from torch.utils.file_baton import FileBaton

    holder.kill()
    holder.wait()
    assert not FileBaton(str(lock)).try_acquire()
    free_build_locks()
    baton = FileBaton(str(lock))
    assert baton.try_acquire()
    assert free_build_locks() == []  # this process holds it now
    baton.release()


def test_other_files_stay(lock):
    library = lock.with_name("some_extension.so")
    library.touch()
    assert free_build_locks() == []
    assert os.path.exists(library)
