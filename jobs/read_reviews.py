"""Checks a review file of LLaVA's or PALO's scripts.

    python jobs/read_reviews.py BENCH FOLDER LANGUAGE REVIEWS

Prints the score as the script computes it, the score of the sound reviews, and the defects of the
others.
"""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from palo import command


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewJob:
    """Checks a review file.

    Attributes:
        bench: Name of its bench.
        folder: Folder of the bench's files.
        language: ISO 639-1 code.
        reviews: The review file.
    """

    bench: Positional[str]
    folder: Positional[Path]
    language: Positional[str]
    reviews: Positional[Path]


def main(arguments: list[str]) -> None:
    """Prints both scores and the defects."""
    default = ReviewJob(bench="", folder=Path(), language="", reviews=Path())
    wanted = command.override(default, arguments, "jobs/read_reviews.py")
    from palo.evaluate.benches.bench import bench_source, read_bench
    from palo.evaluate.judging.review_files import read_reviews
    from palo.evaluate.statistics.relative import relative_scores

    bench = read_bench(bench_source(wanted.bench), wanted.folder, [wanted.language])
    found = read_reviews(wanted.reviews, bench.items)
    if found.as_published is not None:
        print(f"as the script computes it  {found.as_published:.1f}")
    if found.scored:
        one = relative_scores(found.scored).by_language[wanted.language]
        print(
            f"of the sound reviews       {one.value:.1f} [{one.low:.1f}, {one.high:.1f}], "
            f"{one.num_questions} of {len(bench.items)} questions"
        )
    for defect, count in found.defects.items():
        print(f"{count:6,}  {defect}")


if __name__ == "__main__":
    command.run_job(main)
