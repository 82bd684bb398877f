import json

from palo.checkpoint import trainable
from palo.checkpoint.finished import read_projector
from palo.checkpoint.load import load_trained
from palo.train.engine import PlainEngine
from palo.train.eval_callback import EvalCallback, read_notes
from palo.train.metrics import read_metrics
from palo.train.progress import TrainingProgress
from palo.train.stage_files import StageFiles
from palo.train.worker import train_stage


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def test_looks_see_what_was_trained_by_then_and_change_nothing(make_job, tmp_path):
    unwatched = make_job("unwatched", keep_checkpoints=9)
    train_stage(unwatched, PlainEngine)
    seen = {}

    def evaluate(stage, done):
        load_trained(stage)
        seen[done] = read_projector(stage)

    watched = make_job("watched", keep_checkpoints=9)
    train_stage(watched, PlainEngine, EvalCallback(every=2, run=evaluate, notes=tmp_path / "notes"))
    assert losses(watched) == losses(unwatched)
    assert list(seen) == [2, 4]  # the fifth step is the last
    for done, projector in seen.items():
        (folder,) = [p for p in trainable.every(watched.checkpoints) if p.name.endswith(str(done))]
        states = trainable.read_states(folder)
        for name, weight in projector.items():
            assert weight.equal(states[f"projector.{name}"].weight)


def test_notes_are_shown_once_as_they_come(tmp_path, capsys):
    path = tmp_path / "notes.jsonl"
    assert read_notes(path) == []
    path.write_text(json.dumps({"note": "from an earlier run"}) + "\n")
    progress = TrainingProgress("finetune", StageFiles(tmp_path), path)
    with path.open("a") as file:
        file.write(json.dumps({"note": "half of them"}) + '\n{"note": "torn')
    progress.finish()
    progress.finish()
    assert capsys.readouterr().out == "finetune  half of them\n"
