"""A tiny nano run with drawn scenes."""

from dataclasses import replace

import pytest

from palo.recipes import RECIPES
from palo.scenes.corpus import SceneCorpusConfig, write_scenes


@pytest.fixture
def recipe(tmp_path):
    """The recipe nano with a handful of scenes, which are drawn; its run is named palo-7b."""
    scenes = SceneCorpusConfig(num_train_scenes=4, num_records_per_scene=5, num_heldout_scenes=2)
    nano = RECIPES["nano"]()
    run = tmp_path / "palo-7b"
    write_scenes(run / "scenes", scenes)
    return replace(nano, output=run, scenes=scenes)
