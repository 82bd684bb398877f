import errno
import struct
import threading

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter

from palo.errors import ConfigError, StorageError
from palo.train.engine import PlainEngine
from palo.train.events import read_events
from palo.train.metrics import read_metrics
from palo.train.tracking import tracker
from palo.train.tracking.flat_settings import flat_settings
from palo.train.tracking.run_ids import keep_run, known_run, run_name
from palo.train.tracking.service_thread import ServiceThread
from palo.train.tracking.tensorboard_files import TensorBoardRun
from palo.train.tracking.tracker import require_trackers
from palo.train.tracking.values import step_values
from palo.train.watch_settings import MetricsSettings, ValidationSettings
from palo.train.worker import train_stage


def tensorboard_events(folder):
    """Yields what TensorBoard's files hold: records of length, checksum, event, checksum."""
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def tensorboard_values(folder):
    return {
        (value.tag, event.step): value.simple_value
        for event in tensorboard_events(folder)
        for value in event.summary.value
    }


class Service:
    """A service that keeps what it gets, or fails."""

    def __init__(self, error=None):
        self.got = []
        self.closed = threading.Event()
        self.error = error

    def log(self, values, step):
        if self.error is not None:
            raise self.error
        self.got.append((values, step))

    def close(self):
        self.closed.set()


def test_tensorboard_gets_every_step_and_every_language(make_job):
    held_out = ValidationSettings(rows_per_language=2, most_share=0.3, every=2)
    job = make_job(validation=held_out)
    train_stage(job, PlainEngine)
    found = tensorboard_values(job.files.tensorboard)
    for metrics in read_metrics(job.metrics):
        assert found["train/loss", metrics.step + 1] == pytest.approx(metrics.loss)
        rate = metrics.learning_rates["language_model"]
        assert found["learning_rate/language_model", metrics.step + 1] == pytest.approx(rate)
    assert ("validation/en", 2) in found


def test_tensorboard_hides_steps_that_are_done_again(tmp_path):
    for start, value in ((0, 1.0), (1, 2.0)):
        run = TensorBoardRun(tmp_path, start)
        run.log({"train/loss": value}, 2)
        run.close()
    assert tensorboard_values(tmp_path)["train/loss", 2] == 2.0
    starts = [event.step for event in tensorboard_events(tmp_path) if event.session_log.status]
    assert starts == [2]  # from where on earlier files don't count


def test_values_that_are_no_numbers_are_left_out(metrics_file):
    values = step_values(read_metrics(metrics_file)[0])
    assert "speed/mfu" not in values
    assert values["train/loss"] == pytest.approx(4.0, rel=0.5)


def test_a_service_gets_everything_before_it_is_closed():
    service = Service()
    thread = ServiceThread("mlflow", lambda: service, lambda text: None)
    for step in range(5):
        thread.log({"loss": float(step)}, step)
    thread.close()
    assert [step for _, step in service.got] == list(range(5))
    assert service.closed.is_set()


@pytest.mark.parametrize("fails_at", ["connecting", "logging"])
def test_a_service_that_fails_is_told_once_and_stops_nothing(fails_at):
    said = []
    error = OSError("no route to host\nand more")

    def connect():
        if fails_at == "connecting":
            raise error
        return Service(error)

    thread = ServiceThread("wandb", connect, said.append)
    for step in range(3):
        thread.log({"loss": 1.0}, step)
    thread.close()
    assert said == ["wandb gets no more metrics: no route to host"]


def test_a_missing_package_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(tracker, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install mlflow"):
        require_trackers(MetricsSettings(trackers=("mlflow",)))
    require_trackers(MetricsSettings())


def test_a_failing_service_becomes_an_event_of_the_stage(make_job, monkeypatch):
    monkeypatch.setattr(tracker, "find_spec", lambda name: object())
    monkeypatch.setattr(tracker, "_connection", lambda *facts: lambda: 1 / 0)
    job = make_job(metrics=MetricsSettings(trackers=("mlflow",)))
    train_stage(job, PlainEngine)
    texts = [event.note for event in read_events(job.files.events)]
    assert texts == ["mlflow gets no more metrics: division by zero"]


def test_a_resumed_stage_knows_its_run(make_job):
    job = make_job()
    job.output.mkdir()
    assert known_run(job.files, "mlflow") is None
    keep_run(job.files, "mlflow", "abc")
    keep_run(job.files, "wandb", "def")
    assert (known_run(job.files, "mlflow"), known_run(job.files, "wandb")) == ("abc", "def")
    assert run_name(job) == f"{job.output.parent.name}/finetune"


def test_settings_become_dotted_names():
    nested = {"a": {"b": 1, "c": [1, 2]}, "d": "text", "e": None}
    assert flat_settings(nested) == {"a.b": "1", "a.c": "[1, 2]", "d": "text", "e": "null"}


def test_settings_out_of_range_are_told():
    assert list(MetricsSettings(peak_tflops=0, project="").faults()) == [
        "peak_tflops is 0 but must be above 0",
        "project is empty",
    ]


def test_a_full_disk_is_told_by_whoever_writes_and_nobody_waits(tmp_path, monkeypatch):
    """Regression: a thread of tensorboardX died of it, and training waited for it without end."""

    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    run = TensorBoardRun(tmp_path, 0)
    monkeypatch.setattr(RecordWriter, "write", write)
    for step in range(20):
        with pytest.raises(StorageError, match=r"No space left.*Free some disk space"):
            run.log({"train/loss": 1.0}, step)
