"""What the bench of languages trains with both vocabularies, and its figures of that."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from palo import config, languages
from palo.data.manifest import LanguageCount
from palo.errors import ConfigError
from palo.evaluate.benches.bench import BenchItem
from palo.pipeline.steps import corpus_config, stage_names

_OWN = ("resuming", "training", "speaking")
EXTENDED = ("hi", "bn", "ur", "ar")


@pytest.fixture(scope="module")
def bench():
    """The bench's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from speaking import model_figures, models, trained
        from training import outcomes

        yield SimpleNamespace(
            figures=model_figures, models=models, trained=trained, outcomes=outcomes
        )
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


def spoken(bench, side, *, right, cpu_s):
    """Answers about ten images in two batches: a share of each language is right."""
    return [
        bench.trained.Spoken(
            side=side,
            answered=bench.outcomes.Answered(
                image=f"{number}.png",
                language=code,
                kind="at",
                is_right=number < 10 * right(code),
                fidelity="unsure" if code == "zh" else "right",
            ),
            chrf=100.0 if number < 10 * right(code) else 50.0,
            batch=number // 5,
            cpu_s=cpu_s(code),
        )
        for number in range(10)
        for code in languages.codes()
    ]


def counts(tokens):
    return tuple(
        LanguageCount(
            language=code, num_records=10, num_samples=10, num_split=0, num_cut=0,
            num_dropped_parts=0, num_text_tokens=tokens(code), num_target_tokens=5,
            median_text_tokens=1.0, p95_text_tokens=1.0, max_text_tokens=1, truncation_rate=0.0,
        )
        for code in languages.codes()
    )  # fmt: skip


def figures(bench, right_after):
    """The figures where new pieces halve tokens and CPU seconds of the languages that got them."""

    def run(cpu_s):
        return bench.trained.StageCost(
            num_steps=7, num_tokens=100, cpu_s=cpu_s, peak_memory_bytes=3 << 30
        )

    found = bench.trained.Trained(
        new_tokens=83,
        corpora={
            "before": counts(lambda _: 800),
            "after": counts(lambda code: 400 if code in EXTENDED else 800),
        },
        stages={"before": [run(100.0), run(110.0)], "after": [run(60.0), run(88.0)]},
        answers=[
            *spoken(bench, "before", right=lambda _: 0.8, cpu_s=lambda _: 0.4),
            *spoken(bench, "after", right=lambda code: right_after if code in EXTENDED else 0.8,
                    cpu_s=lambda code: 0.2 if code in EXTENDED else 0.4),
        ],
    )  # fmt: skip
    return {one.name: one for one in bench.figures.model_figures("nano", found, EXTENDED)}


def test_both_sides_share_scenes_and_the_pretrain_stage(bench, tmp_path):
    for model in (bench.models.NANO, bench.models.MINI):
        config.check(model)
        own = bench.models.recipe_of(model, tmp_path)
        config.check(own)
        assert stage_names(own) == ("pretrain", "finetune")
        assert own.pretrain.languages == ("en",)
        assert own.finetune.languages is None
        job = bench.trained.vocabulary_job(model, own, tmp_path / "extended")
        assert job.instructions == (own.source(own.data.instructions),)
        other = bench.models.extended(own, tmp_path / "extended")
        assert other.parts.language_model == other.parts.tokenizer == tmp_path / "extended"
        assert replace(other, parts=own.parts) == own


def test_both_sides_have_corpora_of_their_own(bench, tmp_path):
    own = bench.models.recipe_of(bench.models.NANO, tmp_path)
    other = replace(own, parts=replace(own.parts, tokenizer=tmp_path))
    folders = {corpus_config(one, "finetune").output for one in (own, other)}
    assert len(folders) == 2


def test_figures_say_what_new_pieces_cost_and_gain(bench):
    found = figures(bench, right_after=0.6)
    assert found["nano_new_tokens"].value == 83
    assert found["nano_bn_tokens_a_record_before"].value == 80
    assert found["nano_bn_tokens_a_record_after"].value == 40
    assert found["nano_corpus_tokens_after"].value == 4 * 400 + 6 * 800
    assert found["nano_training_cpu_s_before"].value == pytest.approx(105)
    assert found["nano_training_cpu_after_to_before"].value == pytest.approx(0.7)
    assert found["nano_training_cpu_after_to_before"].low == pytest.approx(0.6)
    assert found["nano_training_peak_gib_after"].value == pytest.approx(3)
    assert found["nano_bn_accuracy_before"].value == pytest.approx(80)
    assert found["nano_bn_accuracy_before"].low < 80 < found["nano_bn_accuracy_before"].high
    assert found["nano_bn_chrf_after"].value == pytest.approx(80)
    assert found["nano_bn_cpu_s_an_answer_after"].value == pytest.approx(0.2)
    assert found["nano_extended_accuracy_change"].value == pytest.approx(-20)
    assert found["nano_extended_cpu_an_answer_after_to_before"].value == pytest.approx(0.5)
    assert found["nano_other_cpu_an_answer_after_to_before"].value == pytest.approx(1)
    change = found["nano_other_accuracy_change"]
    assert change.low == change.value == change.high == pytest.approx(0)


def test_a_language_without_an_answer_that_can_be_judged_has_no_fidelity(bench):
    found = figures(bench, right_after=0.8)
    assert "nano_zh_fidelity_after" not in found
    assert found["nano_zh_accuracy_after"].value == pytest.approx(80)
    assert found["nano_fr_fidelity_after"].value == pytest.approx(100)


def test_batches_hold_each_question_once_and_keep_images_together(bench, tmp_path):
    items = [
        BenchItem(
            question_id=f"{image}-{number}-{code}", language=code, image=tmp_path / f"{image}.png",
            category="at", question="?", references=("!",),
        )
        for image in range(7)
        for number in range(2)
        for code in ("en", "bn")
    ]  # fmt: skip
    batches = bench.trained.question_batches(items, 3)
    assert sorted(one.key for _, own in batches for one in own) == sorted(one.key for one in items)
    assert len(batches) == 6
    for number, own in batches:
        assert len({one.language for one in own}) == 1
        for other, others in batches:
            if other != number:
                assert not {one.image for one in own} & {one.image for one in others}


def test_settings_that_can_not_be_measured_are_told(bench):
    nano = bench.models.NANO
    with pytest.raises(ConfigError, match="not one of"):
        config.check(replace(nano, recipe="large"))
    with pytest.raises(ConfigError, match="batches is 1 but must be from 2 to 100"):
        config.check(replace(nano, batches=1))
