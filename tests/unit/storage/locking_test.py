import os
import subprocess
import sys
import threading

import pytest

from palo import storage
from palo.errors import ResourceError

HOLDS = """
import sys
import threading
from pathlib import Path
from palo import storage
with storage.alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_kept_until_its_holder_ends(tmp_path):
    folder = tmp_path / "new" / "corpus"
    command = [sys.executable, "-c", HOLDS, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ResourceError) as refused, storage.alone_in(folder):
            pytest.fail("two processes hold one folder")
        told = f"another process is writing in this folder: {folder}, held by process {holder.pid}"
        assert str(refused.value).startswith(f"{told} ({sys.executable} -c")
        holder.kill()
    with storage.alone_in(folder):
        assert os.listdir(folder) == []


def test_a_folder_is_free_after_the_block(tmp_path):
    for _ in range(2):
        with storage.alone_in(tmp_path):
            pass


def test_a_holder_may_be_waited_for(tmp_path):
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ResourceError), storage.alone_in(tmp_path, wait_s=0.05):
            pytest.fail("two processes hold one folder")
        threading.Timer(0.1, holder.kill).start()
        with storage.alone_in(tmp_path, wait_s=60):
            assert holder.wait() != 0
