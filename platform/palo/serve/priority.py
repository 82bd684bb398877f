"""Process priorities of the endpoint on one machine.

The ingress needs little CPU but low latency, so model replicas have a lower priority, and the chat
page, whose visitors must delay neither, the lowest.
"""

import contextlib
import os

import psutil

MODEL = 5
PAGE = 10
_LEAST = 19


def lower_priority(by: int) -> None:
    """Lowers the priority of all threads of this process; on Linux it is a thread's own.

    Args:
        by: Added to their niceness, up to 19.
    """
    for thread in psutil.Process().threads():
        with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
            nice = os.getpriority(os.PRIO_PROCESS, thread.id)
            os.setpriority(os.PRIO_PROCESS, thread.id, min(_LEAST, nice + by))
