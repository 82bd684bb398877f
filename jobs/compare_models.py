"""Compares two models on the same prompts: logits, greedy answers, by language, side by side.

    python jobs/compare_models.py runs/mine exported/llava-fp16
    python jobs/compare_models.py runs/mine runs/mine --second-dtype bfloat16
    python jobs/compare_models.py A B --prompts questions.jsonl --images photos --html page.html
    python jobs/compare_models.py A B --least-agreement 0.99 --most-difference 0.05

The second model is measured by the first one. Without --prompts held-out scenes are drawn and asked
about in every language; with --images alone, each image is described in every language. A model
that doesn't reach --least-agreement or --most-difference ends the job with exit code 1.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from palo import command, config, storage
from palo.store import lasting_path
from palo.terminal import one_line

if TYPE_CHECKING:
    from palo.evaluate.model_comparison.prompts import ComparisonPrompt
    from palo.evaluate.model_comparison.run import FolderComparison

_NOT_ACCEPTED = 1
Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareJob:
    """Compares two models.

    Attributes:
        models: Two folders: of runs, of finished stages, or in Hugging Face's Llava layout. The
            second is measured by the first.
        prompts: JSON lines with `question`, and maybe `language` and `image`; or a .txt file with a
            prompt on each line, asked about every image. Without it scenes are drawn.
        images: Folder that image paths start from, or whose images are described.
        scenes: How many scenes are drawn where neither prompts nor images are named.
        seed: Seed of these scenes.
        max_tokens: Most tokens of an answer.
        first_dtype: Number format that the first model computes in; by default bfloat16 on a GPU
            and float32 without one.
        second_dtype: The same for the second one.
        html: File to write a page to.
        json: File to write figures and answers to.
        least_agreement: Least share of tokens that must be the first choice of both models.
        most_difference: Largest difference that two logits may have.
        results: File of results, where the same comparison resumes.
    """

    models: Positional[tuple[Path, ...]] = ()
    prompts: Path | None = None
    images: Path | None = None
    scenes: int = 4
    seed: int = 0
    max_tokens: int = 64
    first_dtype: Dtype | None = None
    second_dtype: Dtype | None = None
    html: Path | None = None
    json: Path | None = None
    least_agreement: float | None = None
    most_difference: float | None = None
    results: Path = Path("runs/comparisons/results.jsonl")

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if len(self.models) != 2:
            yield f"two models are compared, not {len(self.models)}"
        for name in ("scenes", "max_tokens"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, it must be at least 1"


def main(arguments: list[str]) -> None:
    """Compares two models, and says whether the second passes for the first.

    Args:
        arguments: The command line.
    """
    job = command.override(CompareJob(), arguments, "jobs/compare_models.py")
    config.check(job)
    from palo.evaluate.model_comparison.summary import Acceptance, comparison_lines

    acceptance = Acceptance(
        least_agreement=job.least_agreement, most_difference=job.most_difference
    )
    config.check(acceptance)
    comparison = _compared(job)
    print("\n".join(map(one_line, comparison_lines(comparison.summary))))
    print(one_line(comparison.summary.sentence))
    _write(job, comparison)
    if job.least_agreement is None and job.most_difference is None:
        return
    if failures := acceptance.failures(comparison.summary):
        print(f"not accepted: {one_line('; '.join(failures))}", file=sys.stderr, flush=True)
        sys.exit(_NOT_ACCEPTED)
    print("accepted")


def _compared(job: CompareJob) -> "FolderComparison":
    from palo.evaluate.model_comparison.run import ComparedFolder, compare_folders

    prompts, origin = _prompts(job)
    print(f"loading {' and '.join(map(str, job.models))}", flush=True)
    return compare_folders(
        ComparedFolder(folder=job.models[0], dtype=job.first_dtype),
        ComparedFolder(folder=job.models[1], dtype=job.second_dtype),
        prompts,
        origin=origin,
        most_tokens=job.max_tokens,
        cache=lasting_path(job.results, on_disk=True),
        say=lambda line: print(line, flush=True),
    )


def _prompts(job: CompareJob) -> "tuple[list[ComparisonPrompt], str]":
    """Returns the prompts and where they come from, in words."""
    from palo.evaluate.model_comparison.prompts import image_prompts, read_prompts, scene_prompts

    if job.prompts is not None:
        return read_prompts(job.prompts, job.images), job.prompts.name
    if job.images is not None:
        return image_prompts(job.images), f"the images of {job.images.name}"
    folder = lasting_path(job.results, on_disk=True).parent / f"scenes-{job.seed}"
    origin = f"held-out scenes of seed {job.seed}"
    return scene_prompts(folder, job.scenes, job.seed), origin


def _write(job: CompareJob, comparison: "FolderComparison") -> None:
    if job.html is not None:
        from palo.evaluate.reports.comparison_page import write_comparison

        write_comparison(job.html, comparison)
        print(f"page: {job.html}")
    if job.json is not None:
        storage.write_json(job.json, config.to_dict(comparison))
        print(f"figures: {job.json}")


if __name__ == "__main__":
    command.run_job(main)
