"""The training drill: thirty runs, each judged as it must be, none repeated without need."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from palo.errors import IncompleteError

_OWN = ("resuming", "training")


@pytest.fixture(scope="module")
def bench():
    """The drill's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from training import drill, drill_cases, drill_outcomes

        yield SimpleNamespace(drill=drill, cases=drill_cases, outcomes=drill_outcomes)
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


def outcome(bench, case, **changes):
    values = {
        "fault": case.fault, "store": case.store, "step": 9, "is_equal": True, "difference": 0.0,
        "num_lost": 0, "num_repeated": 3, "longest_wait_s": 20.0, "wall_s": 60.0,
        "messages": ("a worker was lost (1 of 3)",), "problem": "",
    }  # fmt: skip
    return bench.outcomes.Outcome(**values | changes)


def test_thirty_runs_meet_every_fault_on_a_disk_and_on_both_stores(bench):
    cases = list(bench.cases.TrainDrill().cases())
    assert len(cases) == len({str(case) for case in cases}) == 30
    assert {case.fault for case in cases} == set(bench.drill.HURTS)
    assert {case.store for case in cases} == set(bench.cases.STORES)


def test_figures_miss_their_targets_where_a_run_is_not_as_it_must_be(bench):
    settings = bench.cases.TrainDrill()
    cases = list(settings.cases())
    whole = [outcome(bench, case) for case in cases]
    figures = {one.name: one for one in bench.outcomes.figures_of(whole, settings)}
    assert all(one.met is not False for one in figures.values())
    assert figures["runs_equal"].value == 30
    assert figures["worker_killed_repeated"].value == 3
    broken = replace(whole[0], is_equal=False, num_lost=2, difference=1e-3, longest_wait_s=301.0)
    figures = {one.name: one for one in bench.outcomes.figures_of([broken, *whole[1:]], settings)}
    missed = {name for name, one in figures.items() if one.met is False}
    assert missed == {
        "runs_equal", "steps_lost", "longest_wait_s", "difference_same_workers",
        "worker_killed_equal",
    }  # fmt: skip


def test_lines_of_progress_are_no_messages_and_the_others_are_told_once(bench):
    lines = [
        "bench  starting 2 workers",
        "bench  the workers have been starting for 15 s",
        "bench  step 6/24  loss 10.92  141 tokens/s  48 s left",
        "bench  starting 2 workers",
        "",
        "finished",
    ]
    assert bench.outcomes._told(lines) == ["bench  starting 2 workers", "finished"]


@pytest.fixture
def checkout(tmp_path):
    """A checkout without changes, and what commits one."""
    root = tmp_path / "checkout"
    for folder in ("platform", "jobs/bench/training"):
        (root / folder).mkdir(parents=True)
        (root / folder / "code.py").write_text("1\n")

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", root, *who, *words], check=True, capture_output=True)

    def commit():
        git("add", "--all")
        git("commit", "--message", "a change")

    git("init")
    commit()
    return root, commit


@pytest.fixture
def ran(bench, monkeypatch):
    """Has runs end at once, and lists them."""
    done = []

    def hurt(case, *_):
        done.append(str(case))
        return outcome(bench, case)

    reference = bench.outcomes.Reference(losses=(1.0,), weights="ab")
    monkeypatch.setattr(bench.drill, "_hurt", hurt)
    monkeypatch.setattr(bench.drill, "_undisturbed", lambda *_: reference)
    monkeypatch.setattr(bench.drill, "drill_job", lambda *_: None)
    monkeypatch.setattr(bench.drill, "keep_ray_private", lambda: None)
    return done


def test_a_finished_run_is_not_repeated_until_code_or_settings_change(
    bench, checkout, ran, tmp_path
):
    root, commit = checkout
    settings = bench.cases.TrainDrill(cache=tmp_path / "cache", stores=("disk",))
    count = len(list(settings.cases()))
    late = replace(settings, minutes=-1.0)
    with pytest.raises(IncompleteError, match=f"0 of {count} runs"):
        bench.drill.run_drill(late, root)
    assert len(bench.drill.run_drill(settings, root)) == len(ran) == count
    assert len(bench.drill.run_drill(late, root)) == count  # an end in time has no part in it
    assert len(ran) == count
    bench.drill.run_drill(replace(settings, steps=200), root)
    assert len(ran) == 2 * count
    (root / "platform" / "code.py").write_text("2\n")
    bench.drill.run_drill(settings, root)
    bench.drill.run_drill(settings, root)  # of what is in no commit nothing is kept
    assert len(ran) == 4 * count
    commit()
    bench.drill.run_drill(settings, root)
    bench.drill.run_drill(settings, root)
    assert len(ran) == 5 * count


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "flood"], "there is no fault 'flood'"),
        (["--only", "disk-full"], "name another output folder"),
        (["--steps", "8"], "too few for eight checkpoints"),
    ],
)
def test_settings_that_measure_nothing_are_told(run_job_here, arguments, words):
    done = run_job_here("jobs/bench/train_drill.py", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
