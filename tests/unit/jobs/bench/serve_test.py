"""The serving bench runs, on settings that measure nothing, so that it works when it is needed."""

from palo import benchmark

_TRIAL = {
    "part": "engine",
    "layers": "1",
    "image-size": "28",
    "compared-clients": "2",
    "new-tokens": "3",
    "repeats": "1",
    "prefill-chunk": "32",
}


def test_it_measures_every_target(run_job_here, tmp_path):
    flags = [text for name, value in _TRIAL.items() for text in (f"--{name}", value)]
    done = run_job_here(
        "jobs/bench/serve.py", *flags, "--clients", "1", "2", "--output", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    result = benchmark.read_results(tmp_path)["serve"]
    figures = {figure.name: figure for figure in result.figures}
    assert {name for name, figure in figures.items() if figure.target is not None} == {
        "short_engine_to_one_by_one",
        "image_engine_to_one_by_one",
        "new_to_known_image_first_token",
        "longest_stall_share",
    }
    for side in ("one_by_one_2", "static_batch_2", "engine_1", "engine_2"):
        assert figures[f"image_{side}_clients_tokens_per_s"].value > 0
        mean = figures[f"image_{side}_clients_first_token_s"].value
        assert 0 < mean <= figures[f"image_{side}_clients_first_token_p95_s"].value
    assert result.configuration["clients"] == [1, 2]


def test_wrong_settings_are_told(run_job_here):
    done = run_job_here("jobs/bench/serve.py", "--compared-clients", "5")
    assert done.returncode == 2
    assert "compared_clients is 5, none of (1, 8, 32)" in done.stderr


def test_a_part_alone_needs_its_own_folder(run_job_here):
    done = run_job_here("jobs/bench/serve.py", "--part", "drill")
    assert done.returncode == 2
    assert "name another output folder" in done.stderr
