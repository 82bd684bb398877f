"""The embedded default whose images speak English alone, without and with a remedy for that."""

from dataclasses import replace
from pathlib import Path

from palo import languages
from palo.corpus.filter.mixture import MixtureSettings
from palo.recipes.nano import nano
from palo.recipes.recipe import DRAWN, Recipe
from palo.scenes.text_rows import TextRowsConfig

SEEN = "en"
_RUNS = Path("runs")
_EPOCHS = 4


def nano_english() -> Recipe:
    """Nano, tuned on images that speak English alone: it forgets to answer in other languages."""
    recipe = nano()
    assert recipe.scenes is not None
    assert recipe.pretrain is not None
    every = len(languages.codes())
    return replace(
        recipe,
        output=_RUNS / "nano-english",
        pretrain_output=_RUNS / "nano-english" / "pretrain",
        scenes=replace(
            recipe.scenes,
            num_train_scenes=1_200,
            num_captions_per_scene=every,
            num_records_per_scene=every,
            num_heldout_scenes=100,
        ),
        pretrain=replace(recipe.pretrain, languages=(SEEN,), epochs=_EPOCHS),
        finetune=replace(recipe.finetune, epochs=_EPOCHS),
        data=replace(recipe.data, mixture=MixtureSettings(image_languages=(SEEN,))),
    )


def nano_fidelity() -> Recipe:
    """The same, with a share of conversations without images in the nine other languages.

    Both share one pretrain stage. What the answers in other languages show comes from the base
    and from these rows: no image was ever spoken about in them.
    """
    recipe = nano_english()
    others = tuple(code for code in languages.codes() if code != SEEN)
    return replace(
        recipe,
        output=_RUNS / "nano-fidelity",
        text_rows=TextRowsConfig(per_language=40, languages=others),
        data=replace(
            recipe.data,
            more_instructions=Path(DRAWN) / "text.jsonl",
            mixture=replace(recipe.data.mixture, text_only_share=0.2),
        ),
    )
