"""Settings of the evaluation benches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateBench:
    """Settings of the evaluation bench.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        latency_s: How long the judge takes for each reply, in seconds.
        in_flight: Requests to the judge at a time.
        judged_answers: Answers that are judged with `in_flight` requests at a time.
        judged_one_by_one: Answers that are judged with one request after the other.
        answers: Questions that a model answers.
        new_tokens: Most tokens of each answer.
        batch_size: Questions that are answered at once.
        threads: Threads of the process that answers.
        repeats: Runs of each side, in turn.
        seed: Seed of questions and projector.
    """

    output: Path | None = None
    latency_s: float = 0.2
    in_flight: int = 64
    judged_answers: int = 256
    judged_one_by_one: int = 8
    answers: int = 64
    new_tokens: int = 32
    batch_size: int = 32
    threads: int = 1
    repeats: int = 3
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in (
            "in_flight",
            "judged_answers",
            "judged_one_by_one",
            "answers",
            "new_tokens",
            "batch_size",
            "threads",
            "repeats",
        ):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.latency_s < 0:
            yield f"latency_s is {self.latency_s} but can't be negative"


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateDrill:
    """Settings of the drill: a whole run with a misbehaving judge, killed and resumed.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        models: NAME=SOURCE of the models whose answers are judged, as in jobs/evaluate.py.
        bench: Folder of the benchmark, Multilingual LLaVA-Bench (In-the-Wild).
        max_tokens: Most tokens of an answer.
        kill_after: Requests to the judge after which the run is killed.
    """

    output: Path | None = None
    models: tuple[str, ...] = ()
    bench: Path = Path("shared") / "data" / "bench" / "llava-bench-itw"
    max_tokens: int = 64
    kill_after: int = 100

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("max_tokens", "kill_after"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if not self.models:
            yield "models are needed: --models nano=runs/quickstart/finetune"
        if any("=" not in model for model in self.models):
            yield f"models are written NAME=SOURCE, not {', '.join(self.models)}"
