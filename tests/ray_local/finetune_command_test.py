"""What README promises of `make finetune`, kept by the command: stopped, hurt, moved, continued."""

import re

import pytest
from tests.fixtures.nano_command import NanoCommand, losses

from palo import languages

pytestmark = [pytest.mark.ray, pytest.mark.timeout(2700)]

_JOB = "finetune.py"


def test_a_run_that_was_stopped_goes_on_and_ends_with_a_table_of_all_languages(tmp_path):
    run = tmp_path / "run"
    stopped = NanoCommand(_JOB, tmp_path / "first", "--output", str(run))
    stopped.wait_for(lambda: len(losses(run, "finetune")) >= 3)
    stopped.press_ctrl_c()
    assert stopped.end() == 130
    assert stopped.said.rstrip().endswith("stopped; run the same command again to resume")
    before = losses(run, "finetune")
    command = NanoCommand(_JOB, tmp_path / "second", "--output", str(run))
    assert command.end() == 0, command.said
    assert "pretrain  already finished" in command.said
    after = losses(run, "finetune")
    assert after[: len(before)] == before
    assert len(after) > len(before)
    rows = re.findall(r"^(\w\w)  .* 4 +\d+\.\d%", command.said, re.MULTILINE)
    assert tuple(rows) == languages.codes()
    assert (run / "report.json").is_file()
    assert "Traceback" not in stopped.said + command.said


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command = NanoCommand(_JOB, folder / "log", "--output", str(folder / "run"))
    assert command.end() == 0, command.said
    return folder / "run"


@pytest.mark.drill
def test_a_run_survives_a_lost_worker_ctrl_c_a_move_and_fewer_workers(undisturbed, tmp_path):
    run, moved = tmp_path / "run", tmp_path / "moved"
    command = NanoCommand(_JOB, tmp_path / "first", "--output", str(run))
    command.wait_for(lambda: len(losses(run, "pretrain")) >= 3)
    victim = command.workers()[0]
    victim.kill()
    command.wait_for(lambda: len(losses(run, "finetune")) >= 7)
    assert not victim.is_running()
    command.press_ctrl_c()
    assert command.end() == 130
    assert command.said.rstrip().endswith("stopped; run the same command again to resume")
    assert losses(run, "pretrain") == losses(undisturbed, "pretrain")
    num_done = len(losses(run, "finetune"))
    assert 7 <= num_done < len(losses(undisturbed, "finetune"))

    run.rename(moved)
    again = NanoCommand(
        _JOB, tmp_path / "second", "--output", str(moved), "--finetune.workers.count", "1"
    )
    assert again.end() == 0, again.said
    assert "pretrain  already finished" in again.said
    found, wanted = losses(moved, "finetune"), losses(undisturbed, "finetune")
    assert found[:num_done] == wanted[:num_done]
    assert found == pytest.approx(wanted, abs=1e-5)
    assert "Traceback" not in command.said + again.said
