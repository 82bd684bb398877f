"""A step's process as its job sees it: its log, its latest words, and how it ended."""

from dataclasses import replace

import pytest

from palo import storage
from palo.reproduce.settings import ReproduceSettings
from palo.reproduce.step_process import StepOrder
from palo.reproduce.step_run import StepEnd, _end_of, log_file, run_order


def order(recipe, step):
    settings = ReproduceSettings().used()
    return StepOrder(step=step, recipe=recipe, settings=settings, serve=recipe.output / "serve.py")


def test_a_step_that_cannot_be_done_ends_with_its_own_line(recipe, capsys):
    said = []
    end = run_order(order(recipe, "export"), said.append)
    assert end.how == "failed"
    assert end.why.startswith(f"no finished model here: {recipe.output}/finetune")
    assert end.why.endswith("(exit code 2)")
    log = storage.read_text(log_file(recipe.output, "export"))
    assert f"error: {end.why.removesuffix(' (exit code 2)')}" in log
    assert said[-1] == log
    assert log in capsys.readouterr().out


def test_a_run_on_s3_has_its_records_and_log_there(recipe, bucket, apertium_pairs, capsys):
    run = bucket / "runs" / "tiny"
    there = replace(recipe, output=run)
    settings = ReproduceSettings().used()
    few = replace(settings, translate=replace(settings.translate, most=2, to=("es",)))
    told = replace(order(there, "translate"), settings=few)
    assert run_order(told, lambda text: None) == StepEnd(how="done")
    assert "es: 2 records" in storage.read_text(log_file(run, "translate"))
    assert len(storage.read_text(run / "translations/records/es.jsonl").splitlines()) == 2


@pytest.mark.parametrize(
    ("code", "said", "how", "why"),
    [
        (0, "", "done", ""),
        (130, "stopped", "stopped", ""),
        (-15, "", "stopped", ""),
        (-9, "", "failed", "killed by SIGKILL"),
        (1, "Traceback\nValueError: no\n", "failed", "ValueError: no (exit code 1)"),
        (1, "", "failed", "no word (exit code 1)"),
        (3, "incomplete: 2 left. Again.\n", "incomplete", "2 left. Again. (exit code 3)"),
        (2, "error: a\nerror: b\nmore\n", "failed", "b (exit code 2)"),
    ],
)
def test_how_it_ended_is_told(code, said, how, why):
    assert _end_of(code, said) == StepEnd(how=how, why=why)
