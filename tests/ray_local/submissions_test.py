"""A short form of the bench of submissions: each fate of a job, twice."""

import subprocess
import sys

import pytest

from palo import benchmark

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.timeout(600)]


def test_jobs_of_all_fates_leave_nothing(request, tmp_path):
    command = [sys.executable, "jobs/bench/submissions.py", "--count", "14", "--portion", "14"]
    command += ["--code-every", "5", "--output", str(tmp_path), "--cache", str(tmp_path / "cache")]
    done = subprocess.run(
        command, cwd=request.config.rootpath, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    result = benchmark.read_results(tmp_path)["submissions"]
    assert result.counts["jobs"] == 14
    assert result.configuration["wrong"] == []
    assert {figure.met for figure in result.figures if figure.target is not None} == {True}
