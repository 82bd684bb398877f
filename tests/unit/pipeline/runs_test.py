"""Runs of a store, seen from elsewhere."""

import json
import threading
import time
from dataclasses import asdict, replace

import pytest
from jobs import runs as job

from palo import config, storage
from palo.errors import ConfigError, DataError, ResourceError
from palo.pipeline import run_keeper, run_logs
from palo.pipeline.run_keeper import note_step, recorded_run
from palo.pipeline.run_record import RECORD, read_record
from palo.pipeline.runs import list_runs, read_run
from palo.recipes import RECIPES
from palo.train.metrics import StepMetrics


@pytest.fixture(params=["disk", "s3"])
def store(request, tmp_path, monkeypatch):
    root = tmp_path / "store" if request.param == "disk" else request.getfixturevalue("bucket")
    monkeypatch.setenv("PALO_STORE", str(root))
    monkeypatch.chdir(tmp_path)
    return root


def _metrics(step, stamp, loss=2.5):
    return StepMetrics(
        step=step,
        num_steps=40,
        loss=loss,
        grad_norm=1.0,
        lr_scale=1.0,
        num_samples=8,
        num_tokens=1000,
        num_target_tokens=100,
        step_s=2.0,
        data_wait_s=0.0,
        time=stamp,
    )


def _lines(*values):
    return "".join(storage.json_line(value) for value in values)


def _train(store, name, *, steps=3):
    """Leaves a run that has made some steps of its finetune stage."""
    recipe = replace(RECIPES["nano"](), output=store / "runs" / name)
    now = time.time()
    with recorded_run(recipe, "jobs/finetune.py"):
        note_step(recipe.output, "finetune")
        storage.write_text(
            recipe.finetune_folder / "metrics.jsonl",
            _lines(*(asdict(_metrics(step, now + step, 3.0 - step)) for step in range(steps))),
        )
        storage.write_text(
            recipe.finetune_folder / "events.jsonl",
            _lines({"time": now + 0.5, "event": "damaged", "note": "a checkpoint is damaged"}),
        )
    return recipe.output


def _finish(run):
    storage.write_json(run / "finetune" / "model.json", {})
    storage.write_bytes(run / "finetune" / "adapter" / "adapter_model.safetensors", bytes(3000))
    storage.write_bytes(run / "finetune" / "checkpoints" / "step-3" / "state.json", b"{}")
    storage.write_bytes(run / "corpus" / "finetune" / "manifest.json", b"{}")
    storage.write_json(run / "report.json", {"accuracy_average": 0.931})


def test_a_list_has_every_run_with_where_it_is(store, capsys):
    _finish(_train(store, "done"))
    _train(store, "begun", steps=2)
    storage.write_text(store / "runs" / "notes.txt", "no run")
    storage.write_text(store / "corpora" / "x" / "timings.json", "no run either")
    job.main([])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["RUN", "STATE", "AT", "STEP", "LOSS", "SCORE", "SEEN", "SIZE", "MODEL"]
    cells = {row.split()[0]: row.split() for row in rows}
    assert cells["done"][1:6] == ["finished", "finetune", "3/40", "1.0000", "93.1%"]
    assert cells["done"][-1] == "yes"
    assert cells["begun"][1:6] == ["finished", "finetune", "2/40", "2.0000", "-"]
    job.main(["list", "--json"])
    values = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert values["done"]["stages"]["finetune"] == {"step": 3, "num_steps": 40, "loss": 1.0}
    assert values["done"]["size_bytes"] == sum(storage.tree_sizes(store / "runs" / "done").values())


def test_a_run_whose_driver_was_killed_is_lost(store):
    run = _train(store, "x")
    record = replace(read_record(run), state="running", seen=time.time() - 120)
    storage.write_json(run / RECORD, config.to_dict(record))
    assert read_run(run).state == "lost"
    with pytest.raises(ResourceError, match="doesn't run: x is lost"):
        job.main(["stop", "x"])


def test_a_record_of_another_version_hides_no_other_run(store):
    _train(store, "good")
    storage.write_json(_train(store, "strange") / RECORD, {"later": 1})
    found = {run.name: run for run in list_runs(store / "runs")}
    assert found["good"].state == "finished"
    assert found["strange"].state == "unknown"
    assert "no field of this name" in found["strange"].fault


def test_one_run_is_shown_with_what_can_be_done_with_it(store, capsys):
    _finish(_train(store, "x"))
    job.main(["show", "x"])
    shown = capsys.readouterr().out
    assert "step 3 of 40, loss 1.0000" in shown
    assert "93.1% of the held-out questions" in shown
    assert f"python jobs/serve.py {store / 'runs' / 'x'}" in shown


def test_a_name_that_is_none_is_told_with_those_that_are(store):
    _train(store, "x")
    with pytest.raises(DataError, match=r"no such run: .*/y.*Runs there: x\."):
        job.main(["show", "y"])
    with pytest.raises(ConfigError, match="the others take that of a run"):
        job.main(["show"])


def test_a_result_is_fetched_without_what_isnt_one(store, tmp_path, capsys):
    _finish(_train(store, "x"))
    job.main(["get", "x"])
    own = tmp_path / "runs" / "x"
    names = {str(path.relative_to(own)) for path in own.rglob("*") if path.is_file()}
    assert {"report.json", "finetune/model.json", "finetune/adapter/adapter_model.safetensors"} <= (
        names
    )
    assert not [name for name in names if "checkpoints" in name or name.startswith("corpus")]
    job.main(["get", "x", "--everything", "--output", "all"])
    assert (tmp_path / "all" / "corpus" / "finetune" / "manifest.json").is_file()
    with pytest.raises(ConfigError, match="another folder on a disk"):
        job.main(["get", "x", "--output", str(store / "runs" / "x")])


def test_a_log_has_steps_and_events_in_their_order(store, capsys):
    _train(store, "x")
    job.main(["logs", "x"])
    lines = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "finetune  step 1/40  loss 3.0000  500 tokens/s",
        "finetune  a checkpoint is damaged",
        "finetune  step 2/40  loss 2.0000  500 tokens/s",
        "finetune  step 3/40  loss 1.0000  500 tokens/s",
        "the run has ended, at finetune",
    ]


def test_a_log_is_followed_to_the_end_and_tells_repeated_steps_once(store, capsys, monkeypatch):
    monkeypatch.setattr(run_logs, "_LOOK_EVERY_S", 0.1)
    recipe = replace(RECIPES["nano"](), output=store / "runs" / "x")
    path = recipe.finetune_folder / "metrics.jsonl"
    now = time.time()

    def train():
        with recorded_run(recipe, "jobs/finetune.py"):
            note_step(recipe.output, "finetune")
            begun.set()
            lines = [asdict(_metrics(step, now + step)) for step in range(4)]
            storage.write_text(path, _lines(*lines[:3]) + '{"step": 3')
            time.sleep(1.5)
            storage.write_text(path, _lines(*lines[:1]))  # resumed from the first step
            time.sleep(1.0)
            again = [asdict(_metrics(step, now + step + 10)) for step in (1, 2)]
            storage.write_text(path, _lines(*lines[:1], *again))
            time.sleep(1.0)

    begun = threading.Event()
    thread = threading.Thread(target=train)
    thread.start()
    begun.wait()
    job.main(["logs", "x", "--follow"])
    thread.join()
    lines = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    steps = [line.split()[2] for line in lines if "step" in line]
    assert steps == ["1/40", "2/40", "3/40", "2/40", "3/40"]
    assert lines[-1] == "the run has ended, at finetune"


def test_a_run_that_is_stopped_from_elsewhere_ends_in_order(store, capsys, monkeypatch):
    monkeypatch.setattr(run_keeper, "_LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(run_logs, "_LOOK_EVERY_S", 0.1)
    recipe = replace(RECIPES["nano"](), output=store / "runs" / "x")
    begun = threading.Event()

    def stop():
        begun.wait()
        job.main(["stop", "x"])

    thread = threading.Thread(target=stop)
    thread.start()

    def work():
        with recorded_run(recipe, "jobs/finetune.py"):
            begun.set()
            time.sleep(20)

    with pytest.raises(KeyboardInterrupt):
        work()
    thread.join()
    assert "x: stopped" in capsys.readouterr().out


def test_a_run_that_takes_longer_to_stop_is_told(store):
    run = _train(store, "x")
    record = replace(read_record(run), state="running", seen=time.time() + 100)
    storage.write_json(run / RECORD, config.to_dict(record))
    with pytest.raises(ResourceError, match="hasn't ended yet"):
        job.main(["stop", "x", "--wait-s", "0"])
    assert (run / "stop").exists()
