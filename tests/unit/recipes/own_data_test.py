"""A recipe takes data of one's own from two flags."""

from dataclasses import replace
from pathlib import Path

import pytest

from palo import config
from palo.errors import ConfigError
from palo.pipeline.source_checks import check_sources, missing_sources
from palo.pipeline.steps import corpus_config
from palo.recipes import RECIPES
from palo.recipes.own_data import OwnData, take_own_data, with_own_data


@pytest.mark.parametrize(
    ("arguments", "left", "own"),
    [
        ([], [], None),
        (["--output", "x"], ["--output", "x"], None),
        (["--data", "a.json"], [], OwnData(rows=Path("a.json"))),
        (
            ["--images", "p", "--dry-run", "--data=a.csv"],
            ["--dry-run"],
            OwnData(rows=Path("a.csv"), images=Path("p")),
        ),
        (["--data.language", "ur"], ["--data.language", "ur"], None),
    ],
)
def test_the_flags_are_taken_from_the_command_line(arguments, left, own):
    assert take_own_data(arguments) == (left, own)


@pytest.mark.parametrize("arguments", [["--data"], ["--data", "--images", "p"], ["--images", "p"]])
def test_a_flag_without_its_value_is_told(arguments):
    with pytest.raises(ConfigError, match="Write --data"):
        take_own_data(arguments)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_takes_data_of_ones_own(name, tmp_path):
    rows = tmp_path / "photos" / "captions.csv"
    recipe = with_own_data(RECIPES[name](), OwnData(rows=rows))
    config.check(recipe)
    (source,) = corpus_config(recipe, "finetune").sources
    assert (source.path, source.images, source.language) == (rows, rows.parent, "en")
    assert recipe.output != RECIPES[name]().output
    assert recipe.data.questions is None
    assert recipe.data.photos is None


def test_the_drawn_scenes_stay_what_the_projector_learns_from():
    recipe = with_own_data(RECIPES["nano"](), OwnData(rows=Path("a.csv"), images=Path("p")))
    (captions,) = corpus_config(recipe, "pretrain").sources
    assert captions.path == recipe.output / "scenes" / "captions.jsonl"
    (own,) = corpus_config(recipe, "finetune").sources
    assert (own.path, own.images) == (Path("a.csv"), Path("p"))


def test_a_list_of_sources_takes_the_language_of_the_command_line(tmp_path):
    listed = tmp_path / "sources.toml"
    listed.write_text('[one]\npath = "a.json"\n[two]\npath = "b.json"\nlanguage = "fr"\n')
    recipe = with_own_data(RECIPES["nano"](), OwnData(rows=listed))
    assert [one.language for one in corpus_config(recipe, "finetune").sources] == [None, "fr"]
    recipe = replace(recipe, data=replace(recipe.data, language="ur"))
    assert [one.language for one in corpus_config(recipe, "finetune").sources] == ["ur", "fr"]


def test_sources_are_looked_at_before_anything_starts(tmp_path):
    rows = tmp_path / "captions.csv"
    recipe = with_own_data(RECIPES["nano"](), OwnData(rows=rows, images=tmp_path / "nope"))
    assert list(missing_sources(recipe, "finetune")) == [rows]
    assert list(missing_sources(recipe, "pretrain")) == []  # the run draws them
    rows.write_text("image,caption\na.jpg,A dog.\n")
    with pytest.raises(ConfigError, match="image folder of source instructions doesn't exist"):
        check_sources(recipe)
    with pytest.raises(ConfigError, match="doesn't exist"):
        list(missing_sources(recipe, "finetune"))
