"""A recipe from translation to an answered question, killed once in each step, and continued."""

import signal

import psutil
import pytest
from tests.fixtures.nano_command import NanoCommand, losses

from palo import storage
from palo.reproduce.answers import read_answers
from palo.reproduce.record import read_reproduction
from palo.reproduce.settings import STEPS
from palo.reproduce.step_run import log_file

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.timeout(2700)]

_JOB = "reproduce.py"
_ONE_WORKER = ["--pretrain.workers.count", "1", "--finetune.workers.count", "1"]
_PROCESS = "palo.reproduce.step_process"


class Reproduction:
    """A run whose command is started again and again."""

    def __init__(self, folder):
        self.run = folder / "tiny"
        self._folder = folder
        self._count = 0

    def start(self):
        self._count += 1
        words = [*_ONE_WORKER, "--output", str(self.run), "--translate.most", "6"]
        return NanoCommand(_JOB, self._folder / f"log-{self._count}", *words)

    def step(self, name):
        return read_reproduction(self.run, "nano", STEPS).step(name)

    def said(self, name):
        log = log_file(self.run, name)
        return storage.read_text(log) if log.exists() else ""

    def is_amid(self, name):
        """Returns whether a step is in the middle of its work."""
        points = {
            "translate": (self.run / "translations" / "english.jsonl").exists(),
            "corpus": (self.run / "corpus").exists(),
            "pretrain": len(losses(self.run, "pretrain")) >= 3,
            "finetune": len(losses(self.run, "finetune")) >= 7,
            "evaluate": "evaluate  starting" in self.said("evaluate"),
            "export": "writing " in self.said("export"),
            "deploy": "starting an endpoint" in self.said("deploy"),
        }
        return points[name] and self.step(name).state == "running"


def kill(reproduction, name):
    """Kills a step in the middle; its job says so in one line."""
    command = reproduction.start()
    command.wait_for(lambda: reproduction.is_amid(name))
    command.family(_PROCESS)[0].kill()
    assert command.end() == 2
    told = f"error: the step {name} failed: killed by SIGKILL. Its log is "
    assert told in command.said, command.said
    assert "Traceback" not in command.said
    assert reproduction.step(name).state == "failed"


def stop(reproduction):
    """Stops the job in the middle of the finetune stage, as a cluster does."""
    before = len(losses(reproduction.run, "finetune"))
    command = reproduction.start()
    command.wait_for(lambda: len(losses(reproduction.run, "finetune")) >= before + 3)
    family = psutil.Process(command.process.pid).children(recursive=True)
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 130
    assert "finetune  resumes from " in command.said
    assert command.said.rstrip().endswith("stopped; run the same command again to resume")
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive


def test_a_run_is_killed_in_each_step_and_ends_with_answers_and_their_lineage(
    tmp_path, apertium_pairs
):
    reproduction = Reproduction(tmp_path)
    for name in ("translate", "corpus", "pretrain", "finetune"):
        kill(reproduction, name)
    stop(reproduction)
    for name in ("evaluate", "export", "deploy"):
        kill(reproduction, name)
    last = reproduction.start()
    assert last.end() == 0, last.said

    run = reproduction.run
    steps = read_reproduction(run, "nano", STEPS).steps
    attempts = {step.name: step.attempts for step in steps if step.name != "align"}
    assert attempts == dict.fromkeys(attempts, 2) | {"finetune": 3}
    assert "4/7 finetune   done before, from the same inputs" in last.said
    assert "7/7 deploy     goes on where it failed" in last.said
    given = read_answers(run)
    assert {one.asked.language for one in given.answers} == {"en", "ar", "hi", "bn", "ur"}
    assert all(one.answer and one.request_id for one in given.answers)
    lineage = storage.read_text(run / "reproduce" / "lineage.txt")
    assert given.lineage_id
    assert given.lineage_id in lineage
    for source in ("captions", "instructions", "more-instructions"):
        assert source in lineage
    assert lineage in last.said
    assert "sk-palo-" not in last.said
    assert "Traceback" not in last.said
    assert "7 of 7 steps" in (run / "reproduce.html").read_text(encoding="utf-8")
