"""Kept results have the agreed form, and documents quote them as they are."""

import re
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.rules.pages import documents

from palo import benchmark, storage

_COMMIT = re.compile(r"[0-9a-f]{40}")
_FORM = {
    "bench", "commit", "dirty", "date", "hardware", "versions", "configuration", "seeds",
    "counts", "figures",
}  # fmt: skip
_FIGURE = {"name", "value", "unit", "low", "high"}


def test_results_have_the_agreed_form(root: Path) -> None:
    results = benchmark.read_results(benchmark.results_folder(root))
    for path in benchmark.results_folder(root).glob("*.json"):
        values = storage.read_json(path)
        assert set(values) == _FORM, path.name
        for figure in values["figures"]:
            assert set(figure) in (_FIGURE, _FIGURE | {"target", "better"}), path.name
    for name, result in results.items():
        assert _COMMIT.fullmatch(result.commit), f"{name} was measured outside a checkout"
        assert result.figures, f"{name} holds no figure"


def test_every_result_has_its_script(root: Path) -> None:
    for name in benchmark.read_results(benchmark.results_folder(root)):
        assert (root / "jobs" / "bench" / f"{name}.py").is_file(), name


@pytest.mark.parametrize("name", documents(ROOT))
def test_quoted_figures_match_the_results(root: Path, name: str) -> None:
    text = storage.read_text(root / name)
    results = benchmark.read_results(benchmark.results_folder(root))
    assert benchmark.requoted(text, results) == text
    assert text.count("<!-- bench:") == len(benchmark.QUOTE.findall(text)), "a quote is not closed"
