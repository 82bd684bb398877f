"""What the serving bench measures, and on what."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["all", "engine", "overhead", "routing", "drill"]

_POSITIVE = (
    "threads",
    "layers",
    "question_tokens",
    "new_tokens",
    "repeats",
    "served_requests",
    "routed_images",
    "routed_questions",
    "routed_tokens",
    "drill_requests",
    "drill_kills",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeBench:
    """Settings of the serving bench.

    Attributes:
        part: What to run: the engine against generate, what Ray Serve costs, routing by image
            against Ray Serve's own, the drill, or all of them.
        output: Folder of the result file; the repository's own by default, for whole runs only.
        cache: Folder for models, and for the figures of a run that was stopped.
        keep: Leave the models there.
        device: Where the model of the first part is; on cuda it computes in bfloat16.
        threads: Threads of a process on a CPU.
        layers: Layers of the language model, 30 being SmolLM2-135M's; fewer for a trial.
        image_size: Side of the images in pixels; 336 gives 576 image tokens.
        clients: How many clients ask at once, in turn.
        compared_clients: With how many of them generating one by one and in one batch are compared,
            and the bare engine with the endpoint.
        short_tokens: Tokens of a prompt without an image.
        system_tokens: First tokens of every prompt, which are the same for all.
        question_tokens: Tokens behind an image.
        new_tokens: Tokens of every answer.
        prefill_chunk: Places of prompts that a step of the engine computes at most.
        repeats: Runs of each side, in turn.
        served_requests: Requests of each run of the endpoint and of the bare engine.
        routed_images: Images that two replicas are asked about; a fifth of them get four fifths of
            the questions.
        routed_questions: Questions about them, for each way of routing.
        routed_tokens: Tokens of each of those answers.
        cached_images: Images that a replica can keep.
        drill_requests: Least requests of the drill; it asks on while something happens.
        drill_kills: Replicas that are killed in it.
        seed: Seed of weights, prompts and images.
    """

    part: Part = "all"
    output: Path | None = None
    cache: Path = Path(".cache/bench-serve")
    keep: bool = False
    device: str = "cpu"
    threads: int = 1
    layers: int = 30
    image_size: int = 336
    clients: tuple[int, ...] = (1, 8, 32)
    compared_clients: int = 8
    short_tokens: int = 64
    system_tokens: int = 32
    question_tokens: int = 16
    new_tokens: int = 64
    prefill_chunk: int = 256
    repeats: int = 3
    served_requests: int = 16
    routed_images: int = 30
    routed_questions: int = 150
    routed_tokens: int = 8
    cached_images: int = 8
    drill_requests: int = 200
    drill_kills: int = 3
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        positive = (
            "threads",
            "layers",
            "question_tokens",
            "new_tokens",
            "repeats",
            "routed_tokens",
        )
        for name in (*positive, "served_requests", "routed_images", "routed_questions"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.compared_clients not in self.clients:
            yield f"compared_clients is {self.compared_clients}, none of {self.clients}"
        if self.short_tokens <= self.system_tokens:
            yield f"short_tokens is {self.short_tokens}, no more than system_tokens"
        if self.output is None and self.part != "all":
            yield "a part alone makes no result to keep: name another output folder"

    def runs(self, part: Part) -> bool:
        """Returns whether a part is wanted."""
        return self.part in ("all", part)

    @property
    def image_tokens(self) -> int:
        """Tokens of an image."""
        return (self.image_size // 14) ** 2

    @property
    def max_context(self) -> int:
        """Tokens of the longest prompt with its answer."""
        with_image = self.system_tokens + self.image_tokens + self.question_tokens
        return max(self.short_tokens, with_image) + self.new_tokens
