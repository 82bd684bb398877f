"""Trains one stage as a job's process does: `python stage_driver.py JOB.json NUM_CPUS`."""

from pathlib import Path

from palo import config, storage
from palo.command import run_job
from palo.session import ray_session
from palo.train.stages import StageJob


def main(arguments: list[str]) -> None:
    """Trains the stage that a file describes.

    Args:
        arguments: The file, and the logical CPUs of a private Ray.
    """
    from palo.train.launch import run_stage

    job = config.from_dict(StageJob, storage.read_json(Path(arguments[0])))
    with storage.alone_in(job.output), ray_session(num_cpus=int(arguments[1])):
        run_stage(job)
    print("finished", flush=True)


if __name__ == "__main__":
    run_job(main)
