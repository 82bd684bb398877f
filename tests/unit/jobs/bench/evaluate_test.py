"""The evaluation bench runs, on settings that measure nothing, so that it works when needed."""

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


def test_wrong_settings_are_told(run_job_here):
    done = run_job_here("jobs/bench/evaluate.py", "--models", "nano", "--repeats", "0")
    assert done.returncode == 2
    assert "NAME=SOURCE, not nano" in done.stderr
    assert "repeats is 0" in done.stderr
