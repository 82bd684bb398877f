"""Building the corpora of a recipe writes their reports, once."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from palo import storage
from palo.corpus.report.report import report_path
from palo.pipeline import steps
from palo.recipes import RECIPES


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe whose corpora cost nothing; `built.reused` says what the build says."""
    built = SimpleNamespace(reused=False)
    monkeypatch.setattr(steps, "build_corpus", lambda config, say: built)
    written = []

    def write(folder):
        written.append(folder.name)
        storage.write_text(report_path(folder), "page")

    monkeypatch.setattr(steps, "write_report", write)
    return SimpleNamespace(of=lambda **data: _small(tmp_path, **data), built=built, written=written)


def _small(folder, **data):
    nano = RECIPES["nano"]()
    return replace(nano, output=folder, data=replace(nano.data, **data))


def test_each_corpus_gets_a_report_and_says_where(recipe, tmp_path, capsys):
    steps.build_corpora(recipe.of())
    assert recipe.written == ["pretrain", "finetune"]
    said = capsys.readouterr().out
    for stage in ("pretrain", "finetune"):
        assert f"{stage}_corpus  report: {tmp_path}/corpus/{stage}/report/index.html" in said


def test_a_report_that_is_there_is_not_written_again(recipe, capsys):
    recipe.built.reused = True
    steps.build_corpora(recipe.of())
    assert len(recipe.written) == 2
    steps.build_corpora(recipe.of())
    assert len(recipe.written) == 2
    assert capsys.readouterr().out.count("report: ") == 4


def test_without_a_report_nothing_is_said_of_one(recipe, capsys):
    steps.build_corpora(recipe.of(report=False))
    assert recipe.written == []
    assert "report" not in capsys.readouterr().out
