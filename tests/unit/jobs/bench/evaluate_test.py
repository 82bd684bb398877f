"""The evaluation bench runs, on settings that measure nothing, so that it works when needed."""

import pytest

from palo import benchmark

_TRIAL = {
    "latency-s": "0.001",
    "judged-answers": "8",
    "judged-one-by-one": "1",
    "answers": "2",
    "new-tokens": "3",
    "repeats": "1",
}


def test_it_measures_every_target(run_job_here, tmp_path):
    flags = [text for name, value in _TRIAL.items() for text in (f"--{name}", value)]
    done = run_job_here("jobs/bench/evaluate.py", *flags, "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    figures = {f.name: f for f in benchmark.read_results(tmp_path)["evaluate"].figures}
    assert {name for name, figure in figures.items() if figure.target is not None} == {
        "judged_at_once_to_one_by_one",
        "answers_that_differ",
    }
    assert figures["answers_that_differ"].value == 0


@pytest.mark.parametrize(
    ("bench", "flags", "faults"),
    [
        ("evaluate", ["--repeats", "0"], ["repeats is 0"]),
        ("evaluate_drill", [], ["--models nano="]),
        ("evaluate_drill", ["--models", "nano"], ["NAME=SOURCE, not nano"]),
    ],
)
def test_wrong_settings_are_told(run_job_here, bench, flags, faults):
    done = run_job_here(f"jobs/bench/{bench}.py", *flags)
    assert done.returncode == 2
    assert [fault for fault in faults if fault not in done.stderr] == []
