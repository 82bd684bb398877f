"""The translation bench runs, on settings that measure nothing, so that it works when needed."""

from palo import benchmark

_TRIAL = {
    "conversations": "20",
    "alone": "2",
    "repeats": "1",
    "kills": "0",
    "killed-conversations": "10",
    "in-flight": "4",
    "latency-s": "0.01",
}


def test_it_measures_every_target(run_job_here, tmp_path):
    flags = [text for name, value in _TRIAL.items() for text in (f"--{name}", value)]
    flags += ["--output", str(tmp_path), "--cache", str(tmp_path / "cache")]
    done = run_job_here("jobs/bench/translate.py", *flags)
    assert done.returncode == 0, done.stderr
    result = benchmark.read_results(tmp_path)["translate"]
    figures = {figure.name: figure for figure in result.figures}
    assert {name for name, figure in figures.items() if figure.target is not None} == {
        "job_to_loop_of_single_requests",
        "own_cost_a_conversation",
        "kills_rows_lost",
        "kills_rows_doubled",
        "kills_rows_wrong",
        "kills_paid_twice_beyond_known",
    }
    for name in ("kills_rows_lost", "kills_rows_doubled", "kills_rows_wrong"):
        assert figures[name].value == 0
