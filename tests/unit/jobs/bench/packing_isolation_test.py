"""The bench of isolation: our packing keeps samples apart, and it notices packing that doesn't."""

import os

import pytest

from palo import benchmark


def figures_of(run_job_here, tmp_path) -> dict[str, benchmark.Figure]:
    flags = ("--repeats", "1", "--output", str(tmp_path))
    done = run_job_here("jobs/bench/packing_isolation.py", *flags)
    assert done.returncode == 0, done.stderr
    result = benchmark.read_results(tmp_path)["packing_isolation"]
    return {figure.name: figure for figure in result.figures}


def test_our_packed_samples_see_no_neighbours(run_job_here, tmp_path, monkeypatch):
    monkeypatch.delenv("PALO_TRL_PYTHON", raising=False)
    monkeypatch.delenv("PALO_LLAMA_FACTORY_PYTHON", raising=False)
    figures = figures_of(run_job_here, tmp_path)
    assert set(figures) == {"palo_packing_loss_difference", "palo_packing_gradient_gap"}
    assert all(figure.met for figure in figures.values())


@pytest.mark.engines
@pytest.mark.skipif(
    not os.environ.get("PALO_TRL_PYTHON"), reason="PALO_TRL_PYTHON names no Python with TRL"
)
def test_it_notices_neighbours_that_are_seen(run_job_here, tmp_path):
    figures = figures_of(run_job_here, tmp_path)
    assert figures["trl_padding_free_sdpa_loss_difference"].value < 1e-5
    assert figures["trl_packing_wrapped_loss_difference"].value > 0.1
