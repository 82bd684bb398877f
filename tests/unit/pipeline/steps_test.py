"""Building the corpora of a recipe writes their reports, once."""

import re
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


@pytest.mark.parametrize(
    ("num_samples", "hint"),
    [
        (20, "1, of 20 samples .*: --finetune.global-batch 5 --finetune.epochs 5 --output"),
        (3, "1, of 3 samples .*: --finetune.global-batch 1 --finetune.epochs 7 --output"),
        (640, "10, of 640 samples .*: --finetune.global-batch 64 --finetune.epochs 2 --output"),
    ],
)
def test_a_corpus_of_few_samples_gets_a_hint_that_helps(num_samples, hint):
    settings = RECIPES["nano"]().finetune
    settings = replace(settings, global_batch=64, epochs=1)
    assert re.search(hint, steps.few_steps("finetune", settings, num_samples))
    found = re.search(r"global-batch (\d+) .*epochs (\d+)", hint)
    enough = replace(settings, global_batch=int(found[1]), epochs=int(found[2]))
    assert steps.few_steps("finetune", enough, num_samples) is None


def test_a_corpus_of_many_samples_or_a_chosen_number_of_steps_gets_none():
    settings = replace(RECIPES["nano"]().finetune, global_batch=64, epochs=1)
    assert steps.few_steps("finetune", settings, 64 * 20) is None
    assert steps.few_steps("finetune", replace(settings, max_steps=2), 20) is None


def test_all_recipes_of_a_tower_share_one_folder_of_image_stores():
    """Table 2's ten runs encode each image once."""
    names = [f"7b-only-{code}" for code in ("en", "ur")]
    configs = [steps.corpus_config(RECIPES[name](), "finetune") for name in ("7b", *names)]
    assert len({config.image_stores for config in configs}) == 1
    assert len({config.output for config in configs}) == 3


def test_settings_of_the_encoders_reach_the_build():
    config = steps.corpus_config(RECIPES["7b"](), "pretrain")
    assert (config.encoders.count, config.encoders.gpus) == (8, 1.0)
    assert config.images_per_shard == config.encoders.batch == 128
    pixels = RECIPES["nano"]()
    pixels = replace(pixels, data=replace(pixels.data, store="pixels"))
    assert steps.corpus_config(pixels, "pretrain").store == "pixels"


def test_stores_of_corpora_on_s3_lie_on_s3():
    there = replace(RECIPES["7b"](), corpora=storage.path_of("s3://bucket/corpora"))
    stores = steps.corpus_config(there, "finetune").image_stores
    assert str(stores) == "s3://bucket/corpora/images"
