from pathlib import Path

import pytest

from palo.errors import ResourceError
from palo.session import lasting_path, ray_session


def test_outputs_stay_where_they_are_asked_for(monkeypatch):
    monkeypatch.delenv("PALO_HOME", raising=False)
    assert lasting_path(Path("runs/x")) == Path("runs/x")


def test_a_home_moves_relative_outputs_only(monkeypatch):
    monkeypatch.setenv("PALO_HOME", "/lasting")
    assert lasting_path(Path("runs/x")) == Path("/lasting/runs/x")
    assert lasting_path(Path("/tmp/x")) == Path("/tmp/x")


def test_a_submitted_jobs_output_leaves_rays_copy_of_the_checkout(monkeypatch, tmp_path):
    copy = tmp_path / "runtime_resources" / "working_dir_files" / "abc"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.delenv("PALO_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert lasting_path(Path("runs/x")) == tmp_path / "home" / "palo" / "runs" / "x"


def test_a_cluster_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ResourceError, match=r"127\.0\.0\.1:1.*RAY_ADDRESS"), ray_session():
        pass
