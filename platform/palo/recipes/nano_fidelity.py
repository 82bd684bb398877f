"""The embedded default whose images speak English alone, without and with a remedy for that."""

from dataclasses import replace
from pathlib import Path

from palo import languages
from palo.corpus.filter.mixture import MixtureSettings
from palo.recipes.nano import nano
from palo.recipes.recipe import DRAWN, Recipe
from palo.scenes.requests import REQUESTS
from palo.scenes.text_rows import TextRowsConfig

SEEN = "en"
FEW = 200
"""Rows about images in each other language, of 2,000, that keep fidelity."""
TEMPERATURE = 2.0
"""At which these are seen."""
_RUNS, _SCENES = Path("runs"), Path(DRAWN)
# Descriptions and conversations: of captions.jsonl and instructions.jsonl, but not of text.jsonl.
_IMAGE_ROWS = _SCENES / "*ions.jsonl"


def nano_english() -> Recipe:
    """Nano, tuned on images that speak English alone: it describes them in English alone.

    Its language model has read questions about scenes in ten languages, but never a request to
    describe one. It learns that from images, and in English, as larger models learn to talk about
    images at all.
    """
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
            num_train_scenes=1_000,
            num_captions_per_scene=every,
            num_records_per_scene=every,
        ),
        heldout_requests=True,
        pretrain=replace(recipe.pretrain, languages=(SEEN,), epochs=6),
        finetune=replace(recipe.finetune, epochs=3),
        data=replace(
            recipe.data,
            instructions=_IMAGE_ROWS,
            questions=_SCENES / REQUESTS,
            max_answer_tokens=96,
            mixture=MixtureSettings(image_languages=(SEEN,)),
        ),
    )


def nano_text() -> Recipe:
    """The same, with a share of conversations without images in the nine other languages.

    No image is ever spoken about in them, which brings back a part of what is lost.
    """
    recipe = nano_english()
    return replace(
        recipe,
        output=_RUNS / "nano-text",
        text_rows=TextRowsConfig(per_language=150, num_rounds=2, languages=others()),
        data=replace(
            recipe.data,
            more_instructions=_SCENES / "text.jsonl",
            mixture=replace(recipe.data.mixture, text_only_share=0.4),
        ),
    )


def nano_fidelity() -> Recipe:
    """The same, with a few images in each other language, which are seen more often.

    A tenth of the rows is translated, and at the temperature an epoch has a sample of each of the
    nine about half as often as one in English. All three share one pretrain stage.
    """
    recipe = nano_english()
    return replace(
        recipe,
        output=_RUNS / "nano-fidelity",
        finetune=replace(recipe.finetune, language_temperature=TEMPERATURE),
        data=replace(
            recipe.data, mixture=MixtureSettings(per_language=dict.fromkeys(others(), FEW))
        ),
    )


def others() -> tuple[str, ...]:
    """Returns the languages that images don't speak: all but `SEEN`."""
    return tuple(code for code in languages.codes() if code != SEEN)
