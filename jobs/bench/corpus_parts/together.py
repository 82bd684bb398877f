"""Work in several processes that begin at the same moment."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Done:
    """What one process did.

    Attributes:
        seconds: How long its work took, without what it prepared.
        result: What the work returned.
    """

    seconds: float
    result: Any


def run_together(prepare: Callable[[A], Callable[[], Any]], arguments: Sequence[A]) -> list[Done]:
    """Prepares in as many processes as there are arguments, then lets all work at once.

    Args:
        prepare: Makes the work of an argument; what it does itself doesn't count.
        arguments: One for each process.
    """
    context = multiprocessing.get_context("spawn")
    ends, processes = [], []
    for argument in arguments:
        own, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, prepare, argument))
        process.start()
        theirs.close()
        ends.append(own)
        processes.append(process)
    for end in ends:
        end.recv()
    for end in ends:
        end.send("begin")
    done = [end.recv() for end in ends]
    for process in processes:
        process.join()
    return done


def _serve(end: Any, prepare: Callable[[A], Callable[[], Any]], argument: A) -> None:  # noqa: ANN401 - a connection
    work = prepare(argument)
    end.send("ready")
    end.recv()
    start = time.perf_counter()
    result = work()
    end.send(Done(time.perf_counter() - start, result))
