"""A step's process: what it says, how it is stopped, and that it never outlives its job."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from palo.reproduce.child import run_step

WAIT_S = 60.0
STOPS = """
import signal, sys, time
def stop(*_):
    print("saved", flush=True)
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
print("begun", flush=True)
time.sleep(600)
"""
STUBBORN = STOPS.replace("sys.exit(130)", "pass").replace("(600)", "(600); time.sleep(600)")
JOB = """
import sys
from pathlib import Path
from palo.reproduce.child import run_step
run_step([sys.executable, "-c", sys.argv[1]], Path(sys.argv[2]), lambda text: None)
"""


def wait_for(holds):
    ends = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)


def python(program):
    return [sys.executable, "-c", program]


def test_what_a_step_says_is_passed_on_in_whole_lines_and_kept(tmp_path):
    log = tmp_path / "logs" / "step.log"
    said = []
    program = (
        "import sys, time\n"
        "out = sys.stdout.buffer\n"
        "text = 'سؤال प्रश्न\\n'.encode()\n"
        "out.write(text[:3]); out.flush(); time.sleep(0.6)\n"
        "out.write(text[3:]); out.flush()\n"
        "print('to stderr', file=sys.stderr)\n"
    )
    assert run_step(python(program), log, said.append) == 0
    assert "".join(said) == "سؤال प्रश्न\nto stderr\n"
    assert run_step(python("print('again')"), log, said.append) == 0
    assert log.read_text(encoding="utf-8") == "سؤال प्रश्न\nto stderr\nagain\n"


def test_an_exit_code_and_a_kill_are_told(tmp_path):
    log = tmp_path / "log"
    assert run_step(python("raise SystemExit(3)"), log, lambda text: None) == 3
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_step(python(kill), log, lambda text: None) == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_passed_on_once_and_waited_for(tmp_path, number):
    log = tmp_path / "log"
    before = signal.getsignal(number)

    def press():
        wait_for(lambda: log.is_file() and "begun" in log.read_text())
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # as `timeout` does: to the process, then to its group

    threading.Thread(target=press).start()
    assert run_step(python(STOPS), log, lambda text: None) == 130
    assert log.read_text().splitlines() == ["begun", "saved"]
    assert signal.getsignal(number) is before


def test_a_second_stop_kills(tmp_path):
    log = tmp_path / "log"

    def press():
        wait_for(lambda: log.is_file() and "begun" in log.read_text())
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for(lambda: "saved" in log.read_text())
        time.sleep(1.2)  # so long that it is no echo of the first
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=press).start()
    assert run_step(python(STUBBORN), log, lambda text: None) == -signal.SIGKILL


def test_a_step_is_stopped_when_its_job_is_killed(tmp_path):
    log = tmp_path / "log"
    job = subprocess.Popen([sys.executable, "-c", JOB, STOPS, str(log)])
    try:
        wait_for(lambda: log.is_file() and "begun" in log.read_text())
        children = psutil.Process(job.pid).children()
        assert len(children) == 1
    finally:
        job.kill()
        job.wait()
    wait_for(lambda: "saved" in Path(log).read_text())
    wait_for(lambda: not children[0].is_running())
