"""The small recipes that lose fidelity and keep it, and the one that reads."""

from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from palo import config, languages
from palo.errors import ConfigError
from palo.pipeline.steps import corpus_config
from palo.recipes import RECIPES
from palo.recipes.nano_fidelity import FEW, TEMPERATURE
from palo.recipes.own_data import OwnData, with_own_data


def test_the_text_rows_differ_in_rows_without_images_alone():
    english, text = RECIPES["nano-english"](), RECIPES["nano-text"]()
    for recipe in (english, text):
        assert recipe.data.mixture.image_languages == ("en",)
        assert recipe.pretrain_folder == Path("runs/nano-english/pretrain")
    assert (english.scenes, english.pretrain, english.finetune) == (
        text.scenes,
        text.pretrain,
        text.finetune,
    )
    assert english.text_rows is None
    path = corpus_config(english, "finetune").sources[0].path
    for name in ("captions.jsonl", "instructions.jsonl", "text.jsonl", "parallel.jsonl"):
        is_about_images = name in ("captions.jsonl", "instructions.jsonl")
        assert PurePath(name).match(path.name) == is_about_images
    sources = [source.name for source in corpus_config(text, "finetune").sources]
    assert sources == ["instructions", "more-instructions"]
    path = corpus_config(text, "finetune").sources[1].path
    assert path == text.output / "scenes" / "text.jsonl"
    assert text.text_rows is not None
    assert "en" not in text.text_rows.languages


def test_fidelity_is_kept_by_a_few_rows_in_each_language_seen_more_often():
    english, kept = RECIPES["nano-english"](), RECIPES["nano-fidelity"]()
    assert (english.scenes, english.pretrain) == (kept.scenes, kept.pretrain)
    assert kept.pretrain_folder == english.pretrain_folder
    assert replace(kept.finetune, language_temperature=None) == english.finetune
    assert kept.finetune.language_temperature == TEMPERATURE
    others = [code for code in languages.codes() if code != "en"]
    assert kept.data.mixture.per_language == dict.fromkeys(others, FEW)
    assert [source.name for source in corpus_config(kept, "finetune").sources] == ["instructions"]


def test_own_rows_take_the_place_of_all_of_them():
    recipe = with_own_data(RECIPES["nano-text"](), OwnData(rows=Path("a.json"), images=None))
    assert recipe.data.mixture.takes_all
    assert len(corpus_config(recipe, "finetune").sources) == 1


@pytest.mark.parametrize("name", ["nano-english", "nano-text", "nano-fidelity", "nano-signs"])
def test_what_is_written_first_needs_scenes(name):
    with pytest.raises(ConfigError, match="needs scenes"):
        config.check(replace(RECIPES[name](), scenes=None))


def test_signs_are_asked_about_and_scored_where_they_are_written():
    recipe = RECIPES["nano-signs"]()
    source = corpus_config(recipe, "finetune").sources[1]
    assert source.path == recipe.output / "scenes" / "signs" / "instructions.jsonl"
    assert source.images == recipe.output / "scenes"
    assert recipe.data.questions is not None
    assert recipe.source(recipe.data.questions).parent.parent.name == "signs"
