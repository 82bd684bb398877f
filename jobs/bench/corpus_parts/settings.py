"""What the benches of the corpus measure, and on what."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["all", "build", "tokenise", "array", "kills", "llava"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusBench:
    """Settings of the corpus bench.

    Attributes:
        part: What to run: the paper's corpus at full size and at a tenth, parsing and tokenising
            against the bare tokenizer, one large array, kills, LLaVA's way of loading, or all of
            them.
        output: Folder of the result file; the repository's own by default, for whole runs only.
        scale: Share of the full size of every part; below 1 for a trial.
        cores: Logical CPUs of Ray, and processes of what the job is compared with.
        cache: Folder for generated inputs.
        keep: Leave the generated inputs and the built corpora there.
        records: Records of the paper's corpus.
        images: Distinct images of it.
        text_records: Records to parse and tokenise.
        array_bytes: Size of the one large array.
        kills: How many builds are killed; none leaves that part out.
        killed_records: Records of each of them.
        rank_records: Records that LLaVA's way and ours start from.
        repeats: Runs of each side of a comparison, in turn.
        seed: Seed of everything that is drawn.
    """

    part: Part = "all"
    output: Path | None = None
    scale: float = 1.0
    cores: int = 2
    cache: Path = Path(".cache/bench-corpus")
    keep: bool = False
    records: int = 2_084_706
    images: int = 80_000
    text_records: int = 400_000
    array_bytes: int = 5_000_000_000
    kills: int = 20
    killed_records: int = 20_000
    rank_records: int = 100_000
    repeats: int = 2
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name, least in (("cores", 1), ("repeats", 1), ("kills", 0)):
            if getattr(self, name) < least:
                yield f"{name} is {getattr(self, name)} but must be at least {least}"
        if not 0 < self.scale <= 1:
            yield f"scale is {self.scale} but must be above 0 and at most 1"
        if self.output is None and (self.part != "all" or self.scale < 1 or not self.kills):
            yield "a part alone, or a trial, makes no result to keep: name another output folder"

    def runs(self, part: Part) -> bool:
        """Returns whether a part is wanted."""
        return self.part in ("all", part)

    def scaled(self, count: int, least: int = 1) -> int:
        """Returns a count at the wanted scale."""
        return max(least, round(count * self.scale))


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeBench:
    """Settings of the bench that encodes images.

    Attributes:
        output: Folder of the result file; the repository's own by default.
        cores: Logical CPUs of Ray, and processes of what the job is compared with.
        cache: Folder for images, corpora, and rounds of a run that was stopped.
        keep: Leave images and corpora there.
        images: Images to encode.
        image_size: Their side in pixels, as the tower takes them.
        repeats: Rounds, each with both sides of both comparisons.
    """

    output: Path | None = None
    cores: int = 2
    cache: Path = Path(".cache/bench-encode")
    keep: bool = False
    images: int = 800
    image_size: int = 336
    repeats: int = 2

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("cores", "images", "image_size", "repeats"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
