"""A recipe from translation to an answered question: killed, stopped, and continued."""

import signal

import psutil
import pytest
from tests.fixtures.nano_command import NanoCommand, losses

from palo import storage
from palo.reproduce.answers import read_answers
from palo.reproduce.record import read_reproduction
from palo.reproduce.settings import STEPS

pytestmark = [pytest.mark.ray, pytest.mark.timeout(2700)]

_JOB = "reproduce.py"
_ONE_WORKER = ["--pretrain.workers.count", "1", "--finetune.workers.count", "1"]
_STEP = "palo.reproduce.step_process"


def test_a_run_is_killed_and_stopped_and_ends_with_answers_and_their_lineage(
    tmp_path, apertium_pairs
):
    run = tmp_path / "tiny"
    words = [*_ONE_WORKER, "--output", str(run), "--translate.most", "6"]

    first = NanoCommand(_JOB, tmp_path / "first", *words)
    first.wait_for(lambda: len(losses(run, "pretrain")) >= 3)
    (step,) = first.family(_STEP)
    step.kill()
    assert first.end() == 2
    assert "error: the step pretrain failed: killed by SIGKILL. Its log is " in first.said
    assert read_reproduction(run, "nano", STEPS).step("pretrain").state == "failed"

    second = NanoCommand(_JOB, tmp_path / "second", *words)
    second.wait_for(lambda: len(losses(run, "finetune")) >= 7)
    family = psutil.Process(second.process.pid).children(recursive=True)
    second.process.send_signal(signal.SIGTERM)
    assert second.end() == 130
    assert "1/7 translate  done before, from the same inputs" in second.said
    assert "3/7 pretrain   goes on where it failed" in second.said
    assert "pretrain  resumes from " in second.said
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    num_done = len(losses(run, "finetune"))

    third = NanoCommand(_JOB, tmp_path / "third", *words)
    assert third.end() == 0, third.said
    assert "4/7 finetune   goes on where it was stopped" in third.said
    assert len(losses(run, "finetune")) > num_done
    given = read_answers(run)
    assert {one.asked.language for one in given.answers} == {"en", "ar", "hi", "bn", "ur"}
    assert all(one.answer and one.request_id for one in given.answers)
    lineage = storage.read_text(run / "reproduce" / "lineage.txt")
    assert given.lineage_id
    assert given.lineage_id in lineage
    for source in ("captions", "instructions", "more-instructions"):
        assert source in lineage
    assert lineage in third.said
    assert "sk-palo-" not in third.said
    assert "Traceback" not in second.said + third.said
    assert "7 of 7 steps" in (run / "reproduce.html").read_text(encoding="utf-8")
