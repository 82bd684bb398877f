"""Starting Ray where it comes up late, not at all, or where somebody stops the job meanwhile."""

import inspect
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from ray._private import worker

from palo import ray_start
from palo.errors import DataError, ResourceError, TrainingError
from palo.ray_start import end_processes, private_ray
from palo.session import ray_session


@pytest.fixture
def starts(monkeypatch, tmp_path):
    """What happens at each start of Ray: an error to raise, or None. Returns the folders given."""
    import ray

    folders = []

    def plan(*outcomes):
        left = list(outcomes)

        def init(**settings):
            folders.append(Path(settings["_temp_dir"]).parent)
            if error := left.pop(0):
                raise error

        monkeypatch.setattr(ray, "init", init)
        return folders

    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    return plan


SLOW = Exception("The current node timed out during startup. This\ncould happen because ...")


def test_a_ray_that_comes_up_late_is_started_again_in_a_new_folder_with_a_message(starts, capsys):
    folders = starts(SLOW, ConnectionError("no answer"), None)
    with private_ray({}):
        assert folders[-1].is_dir()
    assert len(set(folders)) == 3
    assert not any(folder.exists() for folder in folders)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "timed out during startup" in told[0]
    assert "CPUs" in told[0]
    assert "attempt 3 of 3" in told[1]


def test_a_ray_that_never_comes_up_is_one_error_that_names_the_logs(starts):
    folders = starts(SLOW, SLOW, SLOW)
    with pytest.raises(ResourceError, match=r"3 attempts.*timed out.*Run the same comm") as caught:
        private_ray({}).__enter__()
    assert str(folders[-1]) in str(caught.value)
    assert [folder.exists() for folder in folders] == [False, False, True]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("AF_UNIX")])
def test_what_another_attempt_would_not_change_is_told_at_once(starts, error):
    folders = starts(error)
    with pytest.raises(ResourceError, match=r"one attempt.*RAY_TMPDIR"):
        private_ray({}).__enter__()
    assert len(folders) == 1


def test_a_folder_that_cannot_be_made_is_told(starts, monkeypatch, tmp_path):
    starts()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(ResourceError, match=r"missing: No such file.*RAY_TMPDIR"):
        private_ray({}).__enter__()


@pytest.mark.parametrize(
    ("raised", "kept"),
    [
        (KeyboardInterrupt(), False),
        (SystemExit(0), False),
        (DataError("the user's"), False),
        (TrainingError("a worker's"), True),
        (RuntimeError("ours"), True),
    ],
)
def test_logs_stay_only_where_they_may_tell_something(starts, capsys, raised, kept):
    folders = starts(None)
    with pytest.raises(type(raised)), private_ray({}):
        raise raised
    assert folders[0].exists() == kept
    assert (str(folders[0]) in capsys.readouterr().err) == isinstance(raised, RuntimeError)


def test_a_start_that_takes_long_is_told_and_leaves_signals_alone(starts, monkeypatch, capsys):
    import ray

    told = threading.Event()
    monkeypatch.setattr(ray_start, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(ray_start, "_SAY_AFTER_S", 0.01)
    monkeypatch.setattr(ray_start, "_SAY_EVERY_S", 0.01)
    monkeypatch.setattr(ray_start, "_say", lambda line: (told.set(), print(line)))
    starts(None)
    monkeypatch.setattr(ray, "init", lambda **_: told.wait(60))
    before = signal.getsignal(signal.SIGTERM)
    with private_ray({}):
        assert signal.getsignal(signal.SIGTERM) is before
    assert "Ray has been starting for 0 s" in capsys.readouterr().out


_STOPPED = """
import sys, time
from palo.command import run_job
from palo.ray_start import private_ray

def hang(**settings):
    print("up", flush=True)
    time.sleep(600)  # as Ray's own code, which no signal interrupts

def main(arguments):
    import ray
    ray.init = hang
    with private_ray({}):
        print("never")

run_job(main)
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_ray_starts_is_one_line_and_leaves_nothing(sent, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _STOPPED],
        env=os.environ | {"RAY_TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(sent)
    printed, told = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert told == "stopped; run the same command again to resume\n"
    assert not list(tmp_path.iterdir())


def test_only_the_processes_of_the_folder_are_ended(tmp_path):
    program = (
        "import subprocess, sys, time\n"
        "if len(sys.argv) > 1: subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)\n"
        "print('up', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program]
    mine, other = (
        subprocess.Popen([*command, *words], stdout=subprocess.PIPE)
        for words in ([f"--session={tmp_path}/session"], [])
    )
    try:
        for process in (mine, other):
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
        (child,) = psutil.Process(mine.pid).children()
        end_processes(tmp_path)
        assert mine.poll() is not None
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        assert other.poll() is None
    finally:
        for process in (mine, other):
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:8265", "no address of a Ray cluster: http://127.0.0.1:8265.*6379"),
        ("127.0.0.1:99999", "can't reach the Ray cluster of RAY_ADDRESS: 127.0.0.1:99999"),
        ("127.0.0.1:1", r"127\.0\.0\.1:1: .*refused.*RAY_ADDRESS"),
    ],
)
def test_an_address_of_something_else_is_told(monkeypatch, address, told):
    from palo.errors import PaloError

    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(PaloError, match=told), ray_session():
        pass


@pytest.mark.parametrize("address", ["", "  ", "local"])
def test_an_empty_address_is_none(monkeypatch, starts, address):
    monkeypatch.setenv("RAY_ADDRESS", address)
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    folders = starts(None)
    with ray_session():
        assert folders[0].is_dir()


def test_what_ray_tells_of_a_lost_node_is_one_line(monkeypatch, capsys):
    """Regression: thirty lines of a lost raylet's log stood on the terminal."""
    monkeypatch.setattr(worker, "print_to_stdstream", None)
    ray_start._tell_in_single_lines()
    dump = "\n".join(f"    [state-dump] {number}" for number in range(30))
    told = {"lines": [f"Raylet is terminated. Termination is unexpected.\n{dump}"], "is_err": False}
    assert "print_to_stdstream(" in inspect.getsource(worker.listen_error_messages)
    worker.print_to_stdstream(told, ignore_prefix=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Ray: Raylet is terminated. Termination is unexpected. [state-dump] 0")
    assert len(line) < 310
