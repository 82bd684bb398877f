"""The job that is submitted: it does what its first word says, and says when it is ready.

python program.py succeed|fail|wait|hold
"""

import os
import signal
import sys
import time
from types import FrameType

EXIT_FAILED = 7
"""Exit code of a job that fails."""
EXIT_STOPPED = 130
"""Exit code of a job that was asked to stop."""
READY = "ready, process "
"""How the line begins that says that it works."""
SAVED = "saved"
"""What it says when it was asked to stop."""
_LONG_S = 600.0


def _save(number: int, frame: FrameType | None) -> None:
    print(SAVED, flush=True)
    sys.exit(EXIT_STOPPED)


def _hold() -> None:
    """Takes what a job takes of a cluster: an actor, a placement group, an object."""
    import ray
    from ray.util.placement_group import placement_group

    class Worker:
        def ready(self) -> int:
            """Returns its process."""
            return os.getpid()

    ray.init(log_to_driver=False)
    group = placement_group([{"CPU": 0.1}])
    ray.get(group.ready())
    worker = ray.remote(num_cpus=0.1)(Worker).remote()
    ray.get([worker.ready.remote(), ray.put(b"object")])
    print(f"{READY}{os.getpid()}", flush=True)
    time.sleep(_LONG_S)


def main(what: str) -> None:
    """Does it.

    Args:
        what: One of the words above.
    """
    signal.signal(signal.SIGTERM, _save)
    if what == "hold":
        _hold()
        return
    print(f"{READY}{os.getpid()}", flush=True)
    if what == "wait":
        time.sleep(_LONG_S)
    sys.exit(EXIT_FAILED if what == "fail" else 0)


if __name__ == "__main__":
    main(sys.argv[1])
