"""Settings of the rig."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["begin", "finish"]
PARTS: tuple[Part, ...] = ("begin", "finish")
"""What is done with a cluster, each time with another one."""
Step = Literal["prepare", "undisturbed", "begin", "finish", "clear", "all"]
Place = Literal["bucket", "mount"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RigBench:
    """Settings of the rig.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        step: `prepare` makes disks and sets nodes up, `undisturbed` trains on this machine alone,
            `begin` brings the cluster up, and stops a run there; `finish` brings it up again,
            resumes the run, and sees it to its end. What steps leave to each other stays in
            `state`; `clear` takes the disks away.
        place: Where the cluster's store is: in a bucket of a server that ends with this program,
            or on a folder that is mounted on all machines.
        state: Folder of what steps leave to each other, and of the log.
        disk_mib: Size of all machines' disks together, in MiB; they are in memory.
        stop_at: Step of the finetune stage at which the run is stopped; it is resumed later.
        kill_after: Steps that the resumed run does before a machine is lost.
        timeout_s: How long to wait for anything, in seconds.
    """

    output: Path | None = None
    step: Step = "all"
    place: Place = "bucket"
    state: Path = Path(".cache/bench-rig")
    disk_mib: int = 6000
    stop_at: int = 10
    kill_after: int = 20
    timeout_s: float = 240.0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("disk_mib", "stop_at", "kill_after", "timeout_s"):
            if getattr(self, name) <= 0:
                yield f"{name} is {getattr(self, name)}, but must be above 0"
        if self.place == "bucket" and self.step in ("begin", "finish"):
            yield "a bucket doesn't outlive a step: take the place mount, or the step all"
