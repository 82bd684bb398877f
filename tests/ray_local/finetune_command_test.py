"""What README promises of `make finetune`, kept by the command: stopped, hurt, moved, continued."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.conftest import ROOT

from palo import languages

pytestmark = [pytest.mark.ray, pytest.mark.timeout(2700)]

WAIT_S = 1200.0
SMALL = [
    "--scenes.num-train-scenes", "60", "--scenes.num-records-per-scene", "3",
    "--scenes.num-heldout-scenes", "2", "--pretrain.global-batch", "20",
    "--pretrain.checkpoint-every", "2",
    "--finetune.global-batch", "8", "--finetune.checkpoint-every", "5",
]  # fmt: skip


class Command:
    """A run of `jobs/finetune.py nano` in a process group of its own, as a shell starts it."""

    def __init__(self, log, *arguments):
        self._log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "jobs" / "finetune.py"), "nano", *SMALL, *arguments],
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=log.parent,
                # Shells have Ctrl-C ignored in what they run in the background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )  # fmt: skip

    @property
    def said(self):
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, holds):
        ends = time.monotonic() + WAIT_S
        while not holds():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < ends, self.said
            time.sleep(0.02)

    def press_ctrl_c(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def workers(self):
        """Returns its training workers."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in family if "TrainWorker" in " ".join(one.cmdline())]

    def end(self):
        """Returns its exit code when it has ended."""
        return self.process.wait(WAIT_S)


def losses(run: Path, stage: str) -> list[float]:
    path = run / stage / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line)["loss"] for line in lines if line.endswith("}")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nothing happened to, and what its command said."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command = Command(folder / "log", "--output", str(folder / "run"))
    assert command.end() == 0, command.said
    return folder / "run", command.said


def test_a_run_ends_with_a_table_of_all_languages(undisturbed):
    run, said = undisturbed
    rows = re.findall(r"^(\w\w)  .* 4 +\d+\.\d%", said, re.MULTILINE)
    assert tuple(rows) == languages.codes()
    assert (run / "report.json").is_file()
    assert "Traceback" not in said


def test_a_run_survives_a_lost_worker_ctrl_c_a_move_and_fewer_workers(undisturbed, tmp_path):
    right, _ = undisturbed
    run, moved = tmp_path / "run", tmp_path / "moved"
    command = Command(tmp_path / "first", "--output", str(run))
    command.wait_for(lambda: len(losses(run, "pretrain")) >= 3)
    victim = command.workers()[0]
    victim.kill()
    command.wait_for(lambda: len(losses(run, "finetune")) >= 7)
    assert not victim.is_running()
    command.press_ctrl_c()
    assert command.end() == 130
    assert command.said.rstrip().endswith("stopped; run the same command again to resume")
    assert losses(run, "pretrain") == losses(right, "pretrain")
    num_done = len(losses(run, "finetune"))
    assert 7 <= num_done < len(losses(right, "finetune"))

    run.rename(moved)
    again = Command(tmp_path / "second", "--output", str(moved), "--finetune.workers.count", "1")
    assert again.end() == 0, again.said
    assert "pretrain  already finished" in again.said
    found, wanted = losses(moved, "finetune"), losses(right, "finetune")
    assert found[:num_done] == wanted[:num_done]
    assert found == pytest.approx(wanted, abs=1e-5)
    assert "Traceback" not in command.said + again.said
