import subprocess
import sys

from palo.machine import PeakMemory

_MIB = 1 << 20
_CHILD = "b = bytearray(%d); b[::4096] = b'x' * len(b[::4096]); print(flush=True); input()"


def test_the_peak_stays_after_the_memory_is_given_back():
    with PeakMemory(every_s=0.01) as memory:
        before = memory.peak_gib
        block = bytearray(b"x") * (96 * _MIB)
        memory._sample()
        del block
    assert 60 < (memory.peak_gib - before) * 1024 < 200


def test_what_a_child_holds_counts():
    with PeakMemory(every_s=0.01) as memory:
        before = memory.peak_gib
        command = [sys.executable, "-c", _CHILD % (96 * _MIB)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout
            child.stdout.readline()
            memory._sample()
            child.communicate(b"\n")
    assert (memory.peak_gib - before) * 1024 > 60


def test_it_samples_by_itself_and_ends():
    with PeakMemory(every_s=0.01) as memory:
        assert memory.peak_gib > 0
        assert memory._thread.is_alive()
    assert not memory._thread.is_alive()
