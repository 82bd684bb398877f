"""Signs of life of workers: what each of them does, told beside its training by a thread.

A worker that hangs keeps the others waiting in a collective operation, which names nobody. So each
worker tells every few seconds where it is. One whose process is stopped tells nothing any more; one
that hangs elsewhere goes on telling, with fewer collective operations than those that wait for it.
"""

import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from time import monotonic
from types import FrameType, TracebackType
from typing import Protocol

from palo.train.activity import Activity, Phase

_MOST_STACKS = 12_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulse:
    """A sign of life of one worker.

    Attributes:
        rank: Its number.
        node: The address of its node.
        process: Number of its process there.
        beat: How many signs it has given.
        phase: What it does.
        step: The step that it belongs to, from 1.
        phase_s: For how long, in seconds.
        collectives: Collective operations that it has begun.
        stacks: Where its threads are, if it has been doing this for long; else empty.
    """

    rank: int
    node: str
    process: int
    beat: int
    phase: Phase
    step: int
    phase_s: float
    collectives: int
    stacks: str = ""


class Board(Protocol):
    """Where workers leave their newest signs of life."""

    def write(self, pulse: Pulse) -> None:
        """Takes a worker's sign in place of the one before.

        Args:
            pulse: The sign.
        """

    def read(self) -> list[Pulse]:
        """Returns the newest sign of each worker that has given one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StallTimes:
    """What happens when, in seconds but for `tell_steps`.

    Attributes:
        beat_s: Between two signs of life.
        silent_s: Without one, until a worker is taken for stopped.
        tell_s: Without a step, until that is told.
        tell_steps: How many usual steps must have had time meanwhile.
        give_up_s: In a collective operation, until those who wait in it fail.
        end_s: In one part of a step, until a worker ends itself.
    """

    beat_s: float
    silent_s: float
    tell_s: float
    give_up_s: float
    end_s: float
    tell_steps: int = 20


def stall_times(stall_s: float) -> StallTimes:
    """Returns the times of a stage.

    Args:
        stall_s: How long a worker waits for the others, in seconds.
    """
    return StallTimes(
        beat_s=min(5.0, stall_s / 40),
        silent_s=min(20.0, stall_s / 10),
        tell_s=min(120.0, stall_s / 4),
        give_up_s=stall_s,
        end_s=1.25 * stall_s,  # those who wait began a moment later, and give up first
    )


class Heartbeat:
    """A thread that tells what this worker does. Use it as a context.

    It also ends this process when one part of a step takes a quarter longer than workers wait for
    each other: where all of them wait for a store, or there is one alone, nobody else would.

    Args:
        board: Where it tells.
        rank: This worker's number.
        node: The address of its node.
        activity: What the worker does.
        times: What happens when.
    """

    def __init__(
        self, board: Board, rank: int, node: str, activity: Activity, times: StallTimes
    ) -> None:
        self._board = board
        self._rank = rank
        self._node = node
        self._activity = activity
        self._times = times
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="palo-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()

    def _run(self) -> None:
        beat = 0
        while not self._ended.wait(self._times.beat_s):
            beat += 1
            pulse = self._pulse(beat)
            self._board.write(pulse)
            if self._activity.now.is_bounded and pulse.phase_s > self._times.end_s:
                print(f"this worker hangs and ends itself\n{pulse.stacks}", file=sys.stderr)
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGKILL)

    def _pulse(self, beat: int) -> Pulse:
        doing = self._activity.now
        phase_s = monotonic() - doing.since
        return Pulse(
            rank=self._rank,
            node=self._node,
            process=os.getpid(),
            beat=beat,
            phase=doing.phase,
            step=doing.step,
            phase_s=phase_s,
            collectives=num_collectives(),
            stacks=stacks(doing.thread) if phase_s > self._times.silent_s else "",
        )


def num_collectives() -> int:
    """Returns how many collective operations this process has begun, over all its groups.

    torch counts them for each group, as they are called: a worker that hangs has begun fewer than
    those that wait for it, on gloo as on NCCL.
    """
    # Not imported: where the loading of torch hangs, so would this.
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_initialized():
        return 0
    groups = list(distributed.distributed_c10d._world.pg_map)
    return sum(group._get_sequence_number_for_group() for group in groups)


def stacks(first: int) -> str:
    """Returns where each thread of Python in this process is, without the lines of source.

    Reading those could hang where the disk does.

    Args:
        first: The thread to begin with.
    """
    names = {one.ident: one.name for one in threading.enumerate()}
    frames = sys._current_frames()
    frames.pop(threading.get_ident(), None)
    order = sorted(frames, key=lambda thread: thread != first)
    texts = [f"{names.get(thread, 'thread')}:\n{_stack(frames[thread])}" for thread in order]
    return "\n".join(texts)[:_MOST_STACKS]


def _stack(frame: FrameType) -> str:
    codes = ((one.f_code, line) for one, line in traceback.walk_stack(frame))
    return "\n".join(f"  {code.co_filename}:{line} in {code.co_name}" for code, line in codes)
