"""What the serving bench measures, and on what."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeBench:
    """Settings of the serving bench.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        device: Where the model is; on cuda it computes in bfloat16.
        threads: Threads of the process on a CPU.
        layers: Layers of the language model, 30 being SmolLM2-135M's; fewer for a trial.
        image_size: Side of the images in pixels; 336 gives 576 image tokens.
        clients: How many clients ask at once, in turn.
        compared_clients: With how many of them generating one by one and in one batch are compared.
        short_tokens: Tokens of a prompt without an image.
        system_tokens: First tokens of every prompt, which are the same for all.
        question_tokens: Tokens behind an image.
        new_tokens: Tokens of every answer.
        prefill_chunk: Places of prompts that a step of the engine computes at most.
        repeats: Runs of each side, in turn.
        seed: Seed of weights, prompts and images.
    """

    output: Path | None = None
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
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("threads", "layers", "question_tokens", "new_tokens", "repeats"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.compared_clients not in self.clients:
            yield f"compared_clients is {self.compared_clients}, none of {self.clients}"
        if self.short_tokens <= self.system_tokens:
            yield f"short_tokens is {self.short_tokens}, no more than system_tokens"

    @property
    def max_context(self) -> int:
        """Tokens of the longest prompt with its answer."""
        image_tokens = (self.image_size // 14) ** 2
        longest = max(self.short_tokens, self.system_tokens + image_tokens + self.question_tokens)
        return longest + self.new_tokens
