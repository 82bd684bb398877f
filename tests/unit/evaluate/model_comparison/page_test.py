"""The page of a comparison: answers side by side in every script, those that differ first."""

import re

import pytest

from palo.evaluate.model_comparison.comparing import PromptComparison
from palo.evaluate.model_comparison.prompts import ComparisonPrompt
from palo.evaluate.model_comparison.run import FolderComparison
from palo.evaluate.model_comparison.summary import (
    Acceptance,
    ComparisonSummary,
    by_language,
    comparison_lines,
    figures_of,
    same_prompts,
)
from palo.evaluate.reports.comparison_page import write_comparison


def row(first, second, *, common, tokens=4, agreeing=4, same_prompt=True):
    return PromptComparison(
        first=first, second=second, num_first=tokens, num_second=tokens, num_common=common,
        num_agreeing=agreeing, most_difference=0.25, mean_difference=0.125, mean_kl=0.5,
        same_prompt=same_prompt,
    )  # fmt: skip


@pytest.fixture
def comparison(image_files):
    asked = [
        ("ur", "تصویر میں کیا ہے؟", image_files[0]),
        ("ur", "کون سا رنگ؟", image_files[0]),
        ("und", "<img src=x>", None),
        ("ja", "何色ですか。", image_files[1]),
    ]
    prompts = [
        ComparisonPrompt(key=str(n), language=code, question=words, image=image)
        for n, (code, words, image) in enumerate(asked)
    ]
    rows = [
        row("سرخ", "سرخ", common=4),
        row("نیلا", "<b>سبز</b>", common=1, agreeing=3),
        row("", "", common=4),
        row("赤", "赤", common=8, tokens=8, agreeing=8),
    ]
    summary = ComparisonSummary(
        first="one<script>", first_id="palo-000000000000", second="two",
        second_id="palo-111111111111", languages=("ur", "und", "ja"), origin="a test",
        most_tokens=8, figures=figures_of(prompts, rows), by_language=by_language(prompts, rows),
        same_prompts=same_prompts(rows),
    )  # fmt: skip
    return FolderComparison(prompts=prompts, compared=rows, summary=summary)


def test_answers_are_side_by_side_in_their_own_direction(comparison, tmp_path) -> None:
    write_comparison(tmp_path / "page.html", comparison)
    page = (tmp_path / "page.html").read_text()
    assert 'lang="ur" dir="auto">نیلا' in page
    assert "&lt;b&gt;سبز" in page
    assert "<script" not in page
    assert "<img src=x" not in page
    assert page.count("data:image/") == 3
    order = re.findall(r"<h3>(\d)</h3>", page)
    assert order == ["1", "0", "2", "3"]  # within a language, what differs comes first
    assert "the same for 1 of 4 tokens" in page
    assert "(empty)" in page
    assert "Language not said" in page


def test_figures_are_of_all_tokens_and_by_language(comparison) -> None:
    own = comparison.summary
    assert own.figures.num_tokens == 20
    assert own.figures.agreement.value == pytest.approx(19 / 20)
    assert own.figures.agreement.low < 19 / 20 < own.figures.agreement.high
    assert own.figures.identical.value == 0.75
    assert own.figures.num_images == 2
    assert own.by_language["ur"].agreement.value == 7 / 8
    assert own.by_language["ja"].num_prompts == 1
    assert own.by_language["und"].num_images == 0
    lines = comparison_lines(own)
    assert [line.split()[0] for line in lines[1:]] == ["all", "ur", "und", "ja"]
    assert "75.0%" in own.sentence
    assert "a test" in own.sentence


def test_a_model_is_accepted_up_to_its_bounds(comparison) -> None:
    own = comparison.summary
    assert Acceptance(least_agreement=0.95, most_difference=0.25).failures(own) == []
    assert len(Acceptance(least_agreement=0.96, most_difference=0.24).failures(own)) == 2
