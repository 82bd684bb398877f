"""Names of a stage's runs in services, kept so that a resumed stage goes on in the same ones."""

from typing import TYPE_CHECKING

from palo import storage

if TYPE_CHECKING:
    from palo.train.stage_files import StageFiles
    from palo.train.stages import StageJob
    from palo.train.watch_settings import Tracker


def run_name(job: "StageJob") -> str:
    """Returns the name of a stage's run for people.

    Args:
        job: The stage.
    """
    return job.config.metrics.run_name or f"{job.output.parent.name}/{job.output.name}"


def known_run(files: "StageFiles", tracker: "Tracker") -> str | None:
    """Returns the id of a stage's run in a service; None if it has none there yet.

    Args:
        files: The stage's files.
        tracker: The service.
    """
    path = files.trackers
    found = storage.read_json(path).get(tracker) if path.exists() else None
    return None if found is None else str(found)


def keep_run(files: "StageFiles", tracker: "Tracker", run: str) -> None:
    """Keeps the id of a stage's run in a service.

    Args:
        files: The stage's files.
        tracker: The service.
        run: Its id there.
    """
    path = files.trackers
    known = storage.read_json(path) if path.exists() else {}
    storage.write_json(path, known | {tracker: run})
