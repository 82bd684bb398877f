"""A stage whose run folder lies on S3: two workers, stopped, hurt and continued elsewhere."""

import dataclasses
import os
import shutil
import signal
import threading
import time

import pytest

from palo.checkpoint.load import load_trained
from palo.errors import StorageError
from palo.train.launch import run_stage
from palo.train.metrics import read_metrics
from palo.train.run_store import scratch_folder

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.usefixtures("local_ray")]


def losses(job):
    try:
        return [metrics.loss for metrics in read_metrics(job.metrics)]
    except (StorageError, FileNotFoundError):
        return []


@pytest.mark.timeout(900)
def test_a_run_in_a_bucket_is_stopped_through_it_and_goes_on_from_it_alone(
    make_job, bucket, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    local = make_job("finetune", epochs=40)
    run_stage(local)
    workers = dataclasses.replace(local.config.workers, scratch=tmp_path / "scratch")
    stage = dataclasses.replace(local.config, workers=workers)
    job = dataclasses.replace(local, config=stage, output=bucket / "run" / "finetune")

    def press_ctrl_c():
        while len(losses(job)) < 3:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=press_ctrl_c)
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        run_stage(job)
    stopper.join()
    assert 3 <= len(losses(job)) < len(losses(local))
    shutil.rmtree(scratch_folder(job), ignore_errors=True)  # the node is gone
    result = run_stage(job)
    assert losses(job) == losses(local)
    assert result.folder == job.output
    assert load_trained(job.output).stage.has_adapter
    names = {path.name for path in job.output.iterdir()}
    assert names == {path.name for path in local.output.iterdir()} - {"ray"}
