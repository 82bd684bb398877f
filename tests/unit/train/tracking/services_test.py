"""Real clients of MLflow and Weights & Biases, without a server; they skip where it is missing."""

import pytest

from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.tracking.run_ids import known_run
from palo.train.watch_settings import MetricsSettings, ValidationSettings
from palo.train.worker import train_stage

HELD_OUT = ValidationSettings(rows_per_language=2, most_share=0.3, every=2)


@pytest.fixture
def stopped_and_resumed(make_job):
    """Trains a stage that was stopped after its first step, with a tracker."""

    def train(**settings):
        job = make_job(metrics=MetricsSettings(**settings), validation=HELD_OUT)
        job.output.mkdir()
        job.stop_file.touch()
        assert train_stage(job, PlainEngine) is None
        job.stop_file.unlink()
        assert train_stage(job, PlainEngine) is not None
        assert not job.files.events.exists(), job.files.events.read_text()
        return job

    return train


def test_mlflow_has_one_run_with_every_step(stopped_and_resumed, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "mlflow").as_uri()
    job = stopped_and_resumed(trackers=("mlflow",), mlflow_uri=uri, project="ten languages")
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("ten languages")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == known_run(job.files, "mlflow")
    assert run.info.status == "FINISHED"
    assert run.data.params["settings.config.seed"] == str(job.config.seed)
    history = client.get_metric_history(run.info.run_id, "train/loss")
    expected = {m.step + 1: m.loss for m in read_metrics(job.metrics)}
    assert {point.step: point.value for point in history} == expected
    assert "validation/en" in run.data.metrics


def test_wandb_keeps_one_run_offline(stopped_and_resumed, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    job = stopped_and_resumed(trackers=("wandb",))
    run = known_run(job.files, "wandb")
    parts = sorted(path.name for path in (job.output / "wandb").glob("offline-run-*"))
    assert len(parts) == 2
    assert all(name.endswith(run) for name in parts)
