"""The page where people review translations.

    python apps/review_page.py --folder runs/review [--port 7861]

Others can reach it only with --key-file: reviewers then log in with keys of jobs/keys.py.
"""

from pathlib import Path

from palo import command, config
from palo.store import lasting_path
from palo.translate.review.page.settings import ReviewPage


def main(arguments: list[str]) -> None:
    """Serves the page until it is stopped."""
    folder = lasting_path(Path("runs/review"), on_disk=True)
    chosen = command.override(ReviewPage(folder=folder), arguments, "apps/review_page.py")
    config.check(chosen)
    # Imported late: Gradio takes seconds.
    from palo.translate.review.page.mount import serve_review

    serve_review(chosen)


if __name__ == "__main__":
    command.run_job(main)
