"""The job that shows a lineage: printed, as a page, as JSON."""

import os
import shutil

import pytest
from jobs.lineage import main

from palo import storage
from palo.checkpoint.lineage_id import lineage_id
from palo.errors import ConfigError, DataError


@pytest.fixture
def run(tmp_path, finished_stage, monkeypatch):
    """The newest of two runs below runs/ of the working folder."""
    for number, name in enumerate(("newest", "older")):
        shutil.copytree(finished_stage, tmp_path / "runs" / name / "finetune")
        described = tmp_path / "runs" / name / "finetune" / "model.json"
        os.utime(described, (2000 - number, 2000 - number))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PALO_HOME", raising=False)
    return tmp_path / "runs" / "newest"


def test_the_newest_run_is_shown_where_none_is_named(run, capsys) -> None:
    main([])
    told = capsys.readouterr().out
    assert told.startswith(f"model newest/finetune  {lineage_id(run)}")
    assert "not found here, named as" in told  # its parts were not moved along


def test_a_page_and_json_are_written(run, capsys) -> None:
    main([str(run), "--html", "a/lineage.html", "--json", "a/lineage.json"])
    assert "page: a/lineage.html" in capsys.readouterr().out
    page = (run.parent.parent / "a" / "lineage.html").read_text()
    assert lineage_id(run) in page
    assert "<script" not in page
    assert storage.read_json(run.parent.parent / "a" / "lineage.json")["id"] == lineage_id(run)


def test_what_is_no_model_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="has no lineage"):
        main([str(tmp_path)])
    with pytest.raises(ConfigError, match="chek"):
        main([str(tmp_path), "--chek"])
