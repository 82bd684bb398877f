import signal
import subprocess
import sys
import textwrap
import threading

from tests.conftest import ROOT

from palo.train.activity import Activity, in_words, place
from palo.train.engine import PlainEngine
from palo.train.pulse import Heartbeat, StallTimes, num_collectives, stacks, stall_times
from palo.train.worker import train_stage

_PATIENT = StallTimes(beat_s=0.01, silent_s=0.0, tell_s=9.0, give_up_s=9.0, end_s=9.0)
_HANGING = """
    import sys, time
    from palo.train.activity import Activity
    from palo.train.pulse import Heartbeat, StallTimes

    class Board:
        def write(self, pulse):
            pass

    activity = Activity()
    activity.enter(sys.argv[1], 3)
    times = StallTimes(beat_s=0.02, silent_s=0.1, tell_s=1.0, give_up_s=1.0, end_s=0.3)
    with Heartbeat(Board(), 0, "here", activity, times):
        time.sleep(float(sys.argv[2]))
"""


class Kept:
    def __init__(self, enough):
        self.pulses, self._enough, self.are_enough = [], enough, threading.Event()

    def write(self, pulse):
        self.pulses.append(pulse)
        if len(self.pulses) >= self._enough:
            self.are_enough.set()


def test_a_worker_tells_again_and_again_what_it_does_and_where():
    board, activity = Kept(3), Activity()
    activity.enter("backward", 45)
    with Heartbeat(board, 2, "10.0.0.5", activity, _PATIENT):
        assert board.are_enough.wait(60)
    first, second, third = board.pulses[:3]
    assert [first.beat, second.beat, third.beat] == [1, 2, 3]
    assert (third.rank, third.node, third.phase, third.step) == (2, "10.0.0.5", "backward", 45)
    assert 0 < first.phase_s < third.phase_s
    assert "in test_a_worker_tells_again_and_again_what_it_does_and_where" in third.stacks
    assert third.stacks.startswith("MainThread:")


def hang(phase, seconds):
    code = textwrap.dedent(_HANGING)
    return subprocess.run(
        [sys.executable, "-c", code, phase, str(seconds)],
        env={"PYTHONPATH": str(ROOT / "platform")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_step_without_an_end_ends_its_worker_and_leaves_its_stack():
    """One worker alone, or all of them at a store, would hang for ever: nobody waits for them."""
    ended = hang("data", 200)
    assert ended.returncode == -signal.SIGKILL
    assert "this worker hangs and ends itself" in ended.stderr
    assert "in <module>" in ended.stderr


def test_what_may_take_long_ends_no_worker():
    assert hang("evaluation", 0.9).returncode == 0


def test_a_stage_notes_each_part_of_its_steps(make_job):
    class Noting(Activity):
        def __init__(self):
            self.noted = []
            super().__init__()

        def enter(self, phase, step):
            self.noted.append((phase, step))
            super().enter(phase, step)

    activity = Noting()
    train_stage(make_job(max_steps=2, token_budget=4096), PlainEngine, activity=activity)
    in_a_step = ["wishes", "forward", "backward", "sums", "update", "records", "evaluation"]
    assert activity.noted == [
        ("start", 0), ("load", 0), ("restore", 0), ("data", 0),
        *((phase, 1) for phase in in_a_step), ("data", 1),
        *((phase, 2) for phase in in_a_step), ("checkpoint", 2), ("finish", 2),
    ]  # fmt: skip
    words = [in_words(*one) for one in activity.noted]
    assert "in the backward pass of step 2" in words
    places = [place(*one) for one in activity.noted]
    assert places == sorted(places)


def test_times_follow_from_how_long_workers_wait_for_each_other():
    usual, short = stall_times(1800.0), stall_times(40.0)
    assert (usual.tell_s, usual.silent_s, usual.beat_s) == (120.0, 20.0, 5.0)
    assert (short.tell_s, short.silent_s, short.beat_s) == (10.0, 4.0, 1.0)
    assert short.give_up_s == 40.0 < short.end_s


def test_without_a_group_no_collective_operation_is_counted():
    assert num_collectives() == 0


def test_stacks_begin_with_the_thread_that_trains_and_leave_out_the_one_that_asks():
    told, waiting, asked = [], threading.Event(), threading.Event()

    def be_asked():
        asked.set()
        waiting.wait()

    other = threading.Thread(target=be_asked, name="trainer")
    other.start()
    asked.wait()
    told.append(stacks(other.ident))
    waiting.set()
    other.join()
    assert told[0].startswith("trainer:")
    assert "in be_asked" in told[0]
    assert "MainThread" not in told[0]
