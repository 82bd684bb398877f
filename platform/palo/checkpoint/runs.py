"""The folder of runs: which one is meant where none is named."""

from pathlib import Path

from palo.errors import DataError


def newest_run(runs: Path) -> Path:
    """Returns the run whose finetune stage finished last.

    Args:
        runs: Folder of runs.

    Raises:
        DataError: If there is none.
    """
    finished = {path: path.stat().st_mtime for path in runs.glob("*/finetune/model.json")}
    if not finished:
        raise DataError(
            "there is no finished model yet",
            seen=runs,
            fix="Train one with `make finetune`, or name a model's folder.",
        )
    return max(finished, key=lambda path: finished[path]).parent.parent
