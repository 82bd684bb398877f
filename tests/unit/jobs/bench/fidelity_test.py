"""What the bench of fidelity trains, and its figures."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.conftest import ROOT

from palo import config, languages
from palo.errors import ConfigError
from palo.pipeline.steps import corpus_config, stage_names

_OWN = ("resuming", "training", "fidelity_parts")


@pytest.fixture(scope="module")
def bench():
    """The bench's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from fidelity_parts import figures, runs, settings

        yield SimpleNamespace(figures=figures, runs=runs, settings=settings)
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


def answers(bench, *, faithful, right):
    """Outcomes of ten images: shares of them are faithful in other languages, or right."""
    return [
        bench.runs.Answered(
            image=f"{number}.png",
            language=code,
            kind=kind,
            is_right=number < 10 * right,
            fidelity="right" if number < 10 * faithful or code == "en" or kind == "at" else "wrong",
        )
        for number in range(10)
        for kind in ("at", "describe")
        for code in languages.codes()
    ]


def test_all_arms_share_the_pretrain_stage_but_the_aligned_one(bench, tmp_path):
    settings = bench.settings.FidelityBench(cache=tmp_path)
    recipes = {
        arm.name: bench.settings.recipe_of(settings, arm)
        for arm in bench.settings.arms_of(settings)
    }
    assert list(recipes) == ["english", "text", "few", "evened", "aligned"]
    for name, recipe in recipes.items():
        config.check(recipe)
        aligned = ("align",) if name == "aligned" else ()
        assert stage_names(recipe) == (*aligned, "pretrain", "finetune")
        assert (
            corpus_config(recipe, "pretrain").output
            == corpus_config(recipes["english"], "pretrain").output
        )
    corpora = {name: corpus_config(one, "finetune").output for name, one in recipes.items()}
    assert corpora["few"] == corpora["evened"] != corpora["english"] == corpora["aligned"]
    assert len(set(corpora.values())) == 3
    assert recipes["evened"].finetune == replace(
        recipes["few"].finetune, language_temperature=settings.temperature
    )


def test_figures_say_what_is_lost_brought_back_and_paid(bench):
    settings = bench.settings.FidelityBench(seeds=(0, 1), output=ROOT)
    lost, half = answers(bench, faithful=0.2, right=0.9), answers(bench, faithful=0.6, right=0.8)
    whole = answers(bench, faithful=1.0, right=0.9)
    models = {"english": lost, "text": whole, "few": half,
              "evened": whole, "aligned": lost}  # fmt: skip
    found = {(name, seed): one for name, one in models.items() for seed in settings.seeds}
    figures = {one.name: one for one in bench.figures.fidelity_figures(settings, found)}
    assert figures["english_fidelity_others_descriptions"].value == pytest.approx(20)
    assert figures["english_fidelity_others_questions"].value == pytest.approx(100)
    assert figures["english_accuracy_english_questions"].value == pytest.approx(90)
    assert figures["text_recovered"].value == pytest.approx(100)
    assert figures["few_recovered"].value == pytest.approx(50)
    assert figures["aligned_recovered"].value == pytest.approx(0)
    assert figures["few_cost_in_english"].value == pytest.approx(10)
    assert figures["text_recovered"].met
    assert figures["text_cost_in_english"].met
    assert not figures["few_recovered"].met
    assert not figures["few_cost_in_english"].met
    assert figures["few_recovered"].low < 50 < figures["few_recovered"].high


def test_answers_whose_language_cannot_be_told_do_not_count(bench):
    found = bench.figures._of_kind(answers(bench, faithful=0.5, right=1.0), "descriptions")
    unsure = [replace(one, fidelity="unsure") if one.fidelity == "wrong" else one for one in found]
    empty = [replace(one, fidelity="empty") if one.fidelity == "wrong" else one for one in found]

    def share(chosen):
        return bench.figures.Shares(chosen, bench.settings.OTHERS, bench.figures.is_faithful).value

    assert share(found) == share(empty) == pytest.approx(50)
    assert share(unsure) == pytest.approx(100)


def test_nothing_lost_is_wholly_recovered(bench):
    assert bench.figures.recovered(np.array([100.0]), np.array([100.0])) == 100.0


def test_fewer_seeds_make_no_result_to_keep(bench, tmp_path):
    config.check(bench.settings.FidelityBench(seeds=(0,), output=tmp_path))
    with pytest.raises(ConfigError, match="fewer than three seeds"):
        config.check(bench.settings.FidelityBench(seeds=(0,)))
