"""The priority of a process of the endpoint among those that share its machine.

The ingress needs little of a machine, but at once; models can wait a moment, and the chat page's
visitors must not hold up either.
"""

import contextlib
import os

import psutil

MODEL = 5
PAGE = 10
_LEAST = 19


def lower_priority(by: int) -> None:
    """Lowers the priority of this process. Linux counts it by thread, so all of them are told.

    Args:
        by: Added to their niceness, which is at most 19.
    """
    for thread in psutil.Process().threads():
        with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
            nice = os.getpriority(os.PRIO_PROCESS, thread.id)
            os.setpriority(os.PRIO_PROCESS, thread.id, min(_LEAST, nice + by))
