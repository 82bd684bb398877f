"""Settings of the processes that run the image tower for a corpus; loads nothing heavy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from palo.capacity import WAIT_S

ComputeType = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderSettings:
    """The processes that run the image tower, and how it computes.

    Attributes:
        count: Number of processes, over all machines.
        gpus: GPUs of each; a share, such as 0.5, puts several on one GPU; 0 computes on CPUs.
        gpu_kinds: Kinds of GPU that will do, by Ray's names (A100, L4), the best first; all
            encoders get one kind. None takes any.
        node_labels: Labels that their nodes must have; by default, where nodes have roles,
            palo-role train with GPUs and palo-role data without.
        threads: Threads of each that compute on a CPU.
        dtype: Type that the tower computes in: float32; tf32, whose products have 10 bits on GPUs;
            or bfloat16, as LLaVA's tower. A store holds what one of them made.
        batch: Images of one forward pass; on a GPU 128 keep it busy.
        wait_s: How long a cluster may take to bring up missing nodes, in seconds. A private Ray,
            which no node joins, isn't waited for.
    """

    count: int = 1
    gpus: float = 0.0
    gpu_kinds: tuple[str, ...] = ()
    node_labels: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    dtype: ComputeType = "float32"
    batch: int = 16
    wait_s: float = WAIT_S

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        for name in ("count", "threads", "batch"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if self.gpus < 0 or (self.gpus > 1 and not float(self.gpus).is_integer()):
            yield f"gpus must be a share of a GPU or a whole number, not {self.gpus}"
        if self.gpu_kinds and not self.gpus:
            yield f"gpu_kinds {', '.join(self.gpu_kinds)} are named, but gpus is 0"
        if self.dtype == "tf32" and not self.gpus:
            yield "dtype tf32 exists on GPUs only, but gpus is 0"
