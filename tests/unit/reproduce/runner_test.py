"""The order of steps, with toys in the place of translation, training and serving."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from palo import storage
from palo.errors import ConfigError, IncompleteError, TrainingError
from palo.recipes import RECIPES
from palo.reproduce import runner
from palo.reproduce.decisions import StepInputs
from palo.reproduce.record import read_reproduction
from palo.reproduce.runner import Reproduction, StepSelection, reproduce
from palo.reproduce.settings import STEPS, ReproduceSettings
from palo.reproduce.step_run import StepEnd
from palo.reproduce.steps import ReproduceStep

NAMES = ("translate", "corpus", "pretrain", "evaluate", "export")
BEFORE = {"corpus": "translate", "pretrain": "corpus", "evaluate": "pretrain", "export": "pretrain"}


class Toys:
    """Steps that write what they were made of into a file."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.settings = dict.fromkeys(NAMES, "1")
        self.left_out = {}
        self.ends = {}
        self.ran = []

    def steps(self, *_):
        return self.recipe, [self._step(name) for name in NAMES]

    def _step(self, name):
        return ReproduceStep(
            name=name,
            left_out=self.left_out.get(name, ""),
            inputs=lambda: self._inputs(name),
            outputs=lambda: self._outputs(name),
            folders=(self.run / name,) if name == "pretrain" else (),
        )

    def _inputs(self, name):
        size = self.settings[name]
        hashes = {"settings": size}
        if name in BEFORE:
            hashes[BEFORE[name]] = json.dumps(self._outputs(BEFORE[name]))
        return StepInputs(hashes=hashes, settings={"size": size})

    def _file(self, name):
        return self.run / name / "result"

    def _outputs(self, name):
        path = self._file(name)
        return {"result": storage.file_hash(path)} if path.is_file() else {}

    def carry_out(self, order, look):
        self.ran.append(order.step)
        look("it says something\n")
        end = self.ends.pop(order.step, StepEnd(how="done"))
        if end.how == "done":
            storage.write_text(self._file(order.step), json.dumps(self._inputs(order.step).hashes))
        return end

    def reproduce(self, **selection):
        self.ran = []
        wanted = Reproduction(
            recipe=self.recipe,
            settings=ReproduceSettings().used(),
            serve=Path("serve.py"),
            command="python jobs/reproduce.py nano",
        )
        reproduce(wanted, StepSelection(**selection))
        return self.ran

    def state(self, name):
        return read_reproduction(self.run, "nano", STEPS).step(name)


@pytest.fixture
def toys(tmp_path, monkeypatch):
    toys = Toys(tmp_path / "run")
    toys.recipe = replace(RECIPES["nano"](), output=toys.run)
    monkeypatch.setattr(runner, "planned", toys.steps)
    monkeypatch.setattr(runner, "run_order", toys.carry_out)
    return toys


def test_each_step_is_done_once_and_a_line_says_so(toys, capsys):
    assert toys.reproduce() == list(NAMES)
    capsys.readouterr()
    assert toys.reproduce() == []
    lines = capsys.readouterr().out.splitlines()[2:]
    assert lines == [
        f"{number}/5 {name:9}  done before, from the same inputs"
        for number, name in enumerate(NAMES, 1)
    ]


def test_a_changed_setting_is_named_and_reaches_as_far_as_contents_change(toys, capsys):
    toys.reproduce()
    toys.settings["pretrain"] = "2"
    assert toys.reproduce() == ["pretrain", "evaluate", "export"]
    said = capsys.readouterr().out
    assert "3/5 pretrain   made anew, for its inputs changed: size 1 -> 2" in said
    assert "5/5 export     made anew, for its inputs changed: pretrain" in said


def test_what_other_inputs_left_is_set_aside_and_not_lost(toys):
    toys.reproduce()
    first = (toys.run / "pretrain" / "result").read_text()
    for size in ("2", "3"):
        toys.settings["pretrain"] = size
        toys.reproduce()
    assert (toys.run / "pretrain.before-1" / "result").read_text() == first
    assert (toys.run / "pretrain.before-2" / "result").is_file()


def test_a_shared_stage_is_never_set_aside(toys):
    toys.reproduce()
    toys.recipe = replace(toys.recipe, pretrain_output=toys.run / "pretrain")
    toys.settings["pretrain"] = "2"
    with pytest.raises(ConfigError, match=r"can't be set aside.*size 1 -> 2.*--output"):
        toys.reproduce()
    assert (toys.run / "pretrain" / "result").is_file()


def test_a_step_rebuilt_to_the_same_contents_leaves_the_others_done(toys):
    toys.reproduce()
    (toys.run / "corpus" / "result").unlink()
    assert toys.reproduce() == ["corpus"]


def test_a_killed_step_ends_with_one_line_and_the_same_command_goes_on(toys):
    toys.ends["pretrain"] = StepEnd(how="failed", why="killed by SIGKILL")
    with pytest.raises(TrainingError) as told:
        toys.reproduce()
    log = toys.run / "reproduce" / "logs" / "pretrain.log"
    assert str(told.value) == (
        "the step pretrain failed: killed by SIGKILL. "
        f"Its log is {log}. To go on: python jobs/reproduce.py nano"
    )
    assert toys.state("pretrain").state == "failed"
    assert toys.reproduce() == ["pretrain", "evaluate", "export"]
    assert toys.state("pretrain").attempts == 2


def test_a_stop_is_recorded_and_the_same_command_goes_on(toys, capsys):
    toys.ends["corpus"] = StepEnd(how="stopped")
    with pytest.raises(KeyboardInterrupt):
        toys.reproduce()
    assert toys.state("corpus").state == "stopped"
    assert toys.reproduce() == ["corpus", "pretrain", "evaluate", "export"]
    assert "2/5 corpus     goes on where it was stopped" in capsys.readouterr().out


def test_an_incomplete_step_has_the_exit_code_of_its_job(toys):
    toys.ends["translate"] = StepEnd(how="incomplete", why="3 conversations")
    with pytest.raises(IncompleteError, match="translate ended incomplete: 3 conversations"):
        toys.reproduce()


def test_a_step_that_leaves_nothing_has_failed(toys, monkeypatch):
    monkeypatch.setattr(runner, "run_order", lambda order, look: StepEnd(how="done"))
    with pytest.raises(TrainingError, match="ended without what it should have left"):
        toys.reproduce()


def test_steps_are_left_out_with_the_reason(toys, capsys):
    toys.left_out["translate"] = "Apertium isn't installed here"
    assert toys.reproduce() == ["corpus", "pretrain", "evaluate", "export"]
    assert "1/5 translate  left out: Apertium isn't installed here" in capsys.readouterr().out
    assert toys.state("translate").note == "Apertium isn't installed here"


def test_from_makes_a_step_and_those_behind_it_again(toys):
    toys.reproduce()
    assert toys.reproduce(first="evaluate") == ["evaluate", "export"]


def test_only_runs_one_step(toys):
    with pytest.raises(ConfigError, match=r"--only pretrain needs what translate leaves"):
        toys.reproduce(only="pretrain")
    toys.reproduce()
    assert toys.reproduce(only="evaluate") == ["evaluate"]
    assert toys.reproduce(only="export") == ["export"]


def test_two_jobs_never_work_on_one_run(toys):
    from palo.errors import ResourceError

    with storage.alone_in(toys.run / "reproduce"), pytest.raises(ResourceError, match="another"):
        toys.reproduce()


def test_adapters_are_refused(toys):
    toys.recipe = replace(toys.recipe, adapters=("hi",))
    with pytest.raises(ConfigError, match=r"one model.*adapters hi.*jobs/finetune\.py"):
        toys.reproduce()


def test_the_page_is_written_and_stops_loading_again_in_the_end(toys):
    toys.reproduce()
    text = (toys.run / "reproduce.html").read_text(encoding="utf-8")
    assert "5 of 5 steps" in text
    assert 'http-equiv="refresh"' not in text
