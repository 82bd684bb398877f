"""Jobs that are watched, on a stand-in of a job server."""

import os
import signal
import threading
import time

import pytest
from jobs import submit
from tests.fixtures.job_server import JobServer

from palo.errors import ConfigError, DataError, ResourceError
from palo.submission import server
from palo.submission import watch as watching
from palo.submission.server import ADDRESS, connect
from palo.submission.watch import JobWatch


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for module in (watching, server):
        monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setenv(ADDRESS, "")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@pytest.fixture
def job_server():
    server = JobServer()
    yield server
    server.close()


class Watch(JobWatch):
    """A watch that keeps what it writes and says."""

    def __init__(self, server, job="finetune-1", patience_s=5.0):
        self.written, self.said = [], []
        client = connect(server.address, 0.0, print)
        super().__init__(
            client, server.address, job, patience_s, self.written.append, self.said.append
        )

    @property
    def log(self):
        return "".join(self.written)


def _later(seconds, act):
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


@pytest.mark.parametrize(
    ("status", "exit_code", "code"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 3, 3),
        ("FAILED", -9, 137),
        ("FAILED", None, 1),
        ("STOPPED", None, 130),
    ],
)
def test_the_exit_code_is_the_jobs(job_server, status, exit_code, code):
    job_server.pieces = ["one\n", "two\n"]
    _later(0.3, lambda: job_server.end(status, exit_code, "why\nit ended"))
    watch = Watch(job_server)
    assert watch.follow() == code
    assert watch.log == "one\ntwo\n"
    assert watch.said == ([] if code == 0 else [f"finetune-1: {status.lower()}, why it ended"])


def test_a_log_goes_on_where_it_broke_off(job_server):
    job_server.pieces = [f"line {number}\n" for number in range(6)]
    job_server.cuts = [2, 0, 5]
    _later(1.0, lambda: job_server.end("SUCCEEDED", 0))
    watch = Watch(job_server)
    assert watch.follow() == 0
    assert watch.log == "".join(job_server.pieces)
    assert len([line for line in watch.said if "broke off" in line]) == 3


def test_a_job_that_waits_to_start_says_for_what(job_server):
    job_server.status, job_server.message = "PENDING", "setting up  the\nenvironment"
    _later(0.3, lambda: job_server.end("SUCCEEDED", 0))
    watch = Watch(job_server)
    assert watch.follow() == 0
    assert watch.said == ["waiting: setting up the environment"]


def test_what_came_before_a_stop_is_left_out(job_server):
    job_server.pieces = ["long ago\n"]
    watch = Watch(job_server)
    watch.skip()
    assert watch.stop()
    assert watch.follow() == 130
    assert watch.log == "saved\n"
    assert not watch.stop()


def test_a_server_that_stays_away_leaves_the_job_and_says_how_to_attach(job_server):
    watch = Watch(job_server, patience_s=0.2)
    job_server.close()
    with pytest.raises(
        ResourceError, match=r"job server is away.*goes on without it.*--attach finetune-1"
    ):
        watch.follow()


def test_a_job_that_nobody_knows_is_told(job_server):
    with pytest.raises(DataError, match=r"doesn't know that: .*nobody does not exist"):
        Watch(job_server, job="nobody").follow()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "a.py").write_text("")
    (tmp_path / ".rayignore").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PALO_STORE", "s3://mine/palo")
    return tmp_path


def test_a_submission_sends_code_and_command(job_server, checkout, capsys):
    _later(0.5, lambda: job_server.end("FAILED", 7))
    job_server.pieces = ["working\n"]
    with pytest.raises(SystemExit) as end:
        submit.main(["--address", job_server.address, "--", "jobs/a.py", "x y"])
    assert end.value.code == 7
    (sent,) = job_server.submitted
    assert sent["entrypoint"] == "python jobs/a.py 'x y'"
    assert sent["runtime_env"]["env_vars"]["PALO_STORE"] == "s3://mine/palo"
    assert len(job_server.packages) == 1
    printed = capsys.readouterr()
    assert printed.out == "working\n"
    assert f"submitted as {sent['submission_id']}" in printed.err


def test_a_detached_submission_says_how_to_come_back(job_server, checkout, capsys):
    submit.main(["--address", job_server.address, "--detach", "--", "jobs/a.py"])
    job = job_server.submitted[0]["submission_id"]
    told = capsys.readouterr().err
    assert f"python jobs/submit.py --attach {job}" in told
    assert f"python jobs/submit.py --stop {job}" in told


@pytest.mark.parametrize("known", ["--attach", "--stop"])
def test_a_command_is_not_dropped_in_silence(known):
    with pytest.raises(ConfigError, match="a new job and one that is there"):
        submit.main([known, "finetune-1", "--", "python", "jobs/finetune.py", "nano"])


@pytest.mark.parametrize(
    ("is_terminal", "answers", "code", "stops"),
    [
        (False, [], 130, 0),
        (True, ["l"], 130, 0),
        (True, [""], 130, 0),
        (True, [KeyboardInterrupt()], 130, 0),
        (True, ["s"], 130, 1),
        (True, ["c", "stop"], 130, 1),
    ],
)
def test_ctrl_c_asks_what_becomes_of_the_job(
    job_server, checkout, monkeypatch, is_terminal, answers, code, stops
):
    left = list(answers)

    def answer(question):
        given = left.pop(0)
        if isinstance(given, BaseException):
            raise given
        return given

    def press():
        for _ in range(max(1, len(answers))):
            time.sleep(1.0)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("sys.stdin.isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(SystemExit) as end:
            submit.main(["--address", job_server.address, "--attach", "finetune-1"])
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert end.value.code == code
    assert job_server.stops == stops
    assert not left
