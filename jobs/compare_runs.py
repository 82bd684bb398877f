"""Compares two trainings: settings that differ, losses, speeds, held-out losses, final scores.

    python jobs/compare_runs.py runs/first runs/second
    python jobs/compare_runs.py runs/first/finetune runs/second/finetune --html comparison.html

Runs may still be going on. Losses of the same step that are equal bit for bit are said to be so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from palo import command, config, storage


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareRunsJob:
    """Compares two trainings.

    Attributes:
        runs: Two folders: of runs, or of stages.
        html: File to write a page with curves to.
        json: File to write the figures to.
    """

    runs: Positional[tuple[Path, ...]] = ()
    html: Path | None = None
    json: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if len(self.runs) != 2:
            yield f"two runs are compared, not {len(self.runs)}"


def main(arguments: list[str]) -> None:
    """Prints a comparison of two runs, and writes it to files.

    Args:
        arguments: The command line.
    """
    job = command.override(CompareRunsJob(), arguments, "jobs/compare_runs.py")
    config.check(job)
    from palo.pipeline.run_comparison import compare_runs, read_run
    from palo.pipeline.run_comparison_page import write_run_comparison
    from palo.pipeline.run_comparison_text import comparison_lines

    first, second = map(read_run, job.runs)
    comparison = compare_runs(first, second)
    print("\n".join(comparison_lines(comparison)))
    if job.html is not None:
        write_run_comparison(job.html, comparison, first, second)
        print(f"page: {job.html}")
    if job.json is not None:
        storage.write_json(job.json, config.to_dict(comparison))
        print(f"figures: {job.json}")


if __name__ == "__main__":
    command.run_job(main)
