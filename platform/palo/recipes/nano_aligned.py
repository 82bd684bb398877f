"""The embedded default with a stage before: its language model reads parallel text first."""

from dataclasses import replace
from pathlib import Path

from palo.corpus.filter.mixture import MixtureSettings
from palo.corpus.parallel.settings import ParallelSettings
from palo.recipes.nano import nano
from palo.recipes.recipe import DRAWN, Recipe
from palo.scenes.parallel_text import SceneTextConfig


def nano_aligned() -> Recipe:
    """Nano, aligned on sentences about scenes in ten languages; its images speak English alone.

    What the held-out questions in other languages show thus comes from the text.
    """
    recipe = nano()
    english = ("en",)
    assert recipe.pretrain is not None
    assert recipe.scenes is not None
    return replace(
        recipe,
        output=Path("runs") / "nano-aligned",
        scene_text=SceneTextConfig(num_scenes=500),
        parallel=ParallelSettings(
            path=Path(DRAWN) / "parallel.jsonl",
            # Half of all translations are into English, which needs them least.
            mixture=MixtureSettings(temperature=5.0),
        ),
        align=replace(
            recipe.finetune,
            optimizer=replace(recipe.finetune.optimizer, lr_projector=0.0),
        ),
        pretrain=replace(recipe.pretrain, languages=english, epochs=6),
        finetune=replace(recipe.finetune, languages=english, epochs=6),
    )
