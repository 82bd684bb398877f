"""The small recipes that lose fidelity and keep it, and the one that reads."""

from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from palo import config
from palo.errors import ConfigError
from palo.pipeline.steps import corpus_config
from palo.recipes import RECIPES
from palo.recipes.own_data import OwnData, with_own_data


def test_both_differ_in_the_rows_without_images_alone():
    english, kept = RECIPES["nano-english"](), RECIPES["nano-fidelity"]()
    for recipe in (english, kept):
        assert recipe.data.mixture.image_languages == ("en",)
        assert recipe.pretrain_folder == Path("runs/nano-english/pretrain")
    assert (english.scenes, english.pretrain, english.finetune) == (
        kept.scenes,
        kept.pretrain,
        kept.finetune,
    )
    assert english.text_rows is None
    path = corpus_config(english, "finetune").sources[0].path
    for name in ("captions.jsonl", "instructions.jsonl", "text.jsonl", "parallel.jsonl"):
        is_about_images = name in ("captions.jsonl", "instructions.jsonl")
        assert PurePath(name).match(path.name) == is_about_images
    sources = [source.name for source in corpus_config(kept, "finetune").sources]
    assert sources == ["instructions", "more-instructions"]
    path = corpus_config(kept, "finetune").sources[1].path
    assert path == kept.output / "scenes" / "text.jsonl"
    assert kept.text_rows is not None
    assert "en" not in kept.text_rows.languages


def test_own_rows_take_the_place_of_all_of_them():
    recipe = with_own_data(RECIPES["nano-fidelity"](), OwnData(rows=Path("a.json"), images=None))
    assert recipe.data.mixture.takes_all
    assert len(corpus_config(recipe, "finetune").sources) == 1


@pytest.mark.parametrize("name", ["nano-english", "nano-fidelity", "nano-signs"])
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
