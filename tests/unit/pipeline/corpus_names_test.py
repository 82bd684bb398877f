"""Corpora that recipes share are named by what they are made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from palo.corpus.filter.mixture import MixtureSettings
from palo.pipeline.corpus_names import corpus_name
from palo.pipeline.steps import corpus_config
from palo.recipes import RECIPES
from palo.text.encoding import EncodingLimits

CONFIG = corpus_config(RECIPES["7b"](), "finetune")


@pytest.mark.parametrize(
    "changed",
    [
        {"template": "plain"},
        {"encoders": replace(CONFIG.encoders, dtype="float32")},
        {"mixture": MixtureSettings(total=3)},
        {"limits": EncodingLimits(max_text_tokens=99)},
        {"tokenizer": Path("other")},
        {"sources": (replace(CONFIG.sources[0], language="ur"),)},
    ],
)
def test_another_content_is_another_name(changed):
    assert corpus_name(replace(CONFIG, **changed)) != corpus_name(CONFIG)


def test_how_and_where_it_is_built_is_none_of_its_name():
    encoders = replace(CONFIG.encoders, count=2, gpus=0.5, batch=64)
    other = replace(
        CONFIG, output=Path("x"), image_stores=Path("y"), encoders=encoders, max_bad_share=0.5
    )
    assert corpus_name(other) == corpus_name(CONFIG)


def test_a_shared_folder_holds_the_corpora_of_several_recipes_and_a_run_its_own(tmp_path):
    """Regression: every recipe wrote <corpora>/finetune."""
    nano, mini = (replace(RECIPES[name](), corpora=tmp_path) for name in ("nano", "mini"))
    shared = {corpus_config(one, "finetune").output for one in (nano, mini)}
    assert len(shared) == 2
    assert {path.parent for path in shared} == {tmp_path}
    own = corpus_config(RECIPES["nano"](), "finetune").output
    assert own == Path("runs/quickstart/corpus/finetune")


def test_a_second_source_joins_the_finetune_stage_alone():
    recipe = RECIPES["7b-only-bn-72k"]()
    names = [source.name for source in corpus_config(recipe, "finetune").sources]
    assert names == ["instructions", "more-instructions"]
    assert len(corpus_config(recipe, "pretrain").sources) == 1
