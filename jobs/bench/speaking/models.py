"""Which models are trained and asked, each with its own vocabulary and with an extended one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from palo import languages
from palo.checkpoint.parts import ModelParts
from palo.recipes import RECIPES, Recipe
from palo.scenes.corpus import SceneCorpusConfig
from palo.text.vocabulary.extend import VocabularySettings

Side = Literal["before", "after"]
SIDES: tuple[Side, ...] = ("before", "after")
_FIRST = "en"


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneModel:
    """A model that learns to answer questions about drawn scenes in ten languages.

    Attributes:
        recipe: Recipe of its pretrained parts and of its stages.
        train_scenes: Images, each with a caption in English.
        records_per_scene: In how many languages each of them is asked about, turn about.
        num_rounds: Questions about it in one language.
        pretrain_epochs: How often the pretrain stage sees the captions.
        finetune_epochs: How often the finetune stage sees the questions.
        heldout_scenes: Held-out images, with two questions in every language.
        max_answer_tokens: Longest answer to one of these.
        lr_new_tokens: Peak learning rate of the new tokens' rows; None for the recipe's.
        batches: In how many parts the questions of a language are asked, to compare CPU seconds.
        vocabulary: Which pieces are added.
    """

    recipe: str
    train_scenes: int
    records_per_scene: int
    num_rounds: int
    pretrain_epochs: int
    finetune_epochs: int
    heldout_scenes: int
    max_answer_tokens: int
    lr_new_tokens: float | None = None
    batches: int = 5
    vocabulary: VocabularySettings = field(default_factory=VocabularySettings)

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.recipe not in RECIPES:
            yield f"recipe is {self.recipe!r}, not one of {', '.join(RECIPES)}"
        if not 2 <= self.batches <= self.heldout_scenes:
            yield f"batches is {self.batches} but must be from 2 to {self.heldout_scenes}"


NANO = SceneModel(
    recipe="nano",
    train_scenes=2_000,
    records_per_scene=7,
    num_rounds=3,
    pretrain_epochs=3,
    finetune_epochs=1,
    heldout_scenes=100,
    max_answer_tokens=64,
)
MINI = SceneModel(
    recipe="mini",
    train_scenes=150,
    records_per_scene=3,
    num_rounds=1,
    pretrain_epochs=1,
    finetune_epochs=1,
    heldout_scenes=15,
    max_answer_tokens=128,  # its own tokenizer needs a hundred for a sentence in Bengali
    batches=3,
)


def recipe_of(model: SceneModel, folder: Path) -> Recipe:
    """Returns the recipe of a model with its own vocabulary.

    The pretrain stage reads English captions alone, whose ids an extension doesn't change: it is
    the same for both sides.

    Args:
        model: The model.
        folder: Where scenes and corpora go.
    """
    recipe, drawn = RECIPES[model.recipe](), RECIPES["nano"]()
    assert recipe.pretrain is not None
    return replace(
        recipe,
        output=folder / "data",
        corpora=folder / "corpora",
        parts=_absolute(recipe.parts),
        scenes=SceneCorpusConfig(
            num_train_scenes=model.train_scenes,
            num_captions_per_scene=len(languages.codes()),
            num_records_per_scene=model.records_per_scene,
            num_rounds=model.num_rounds,
            num_heldout_scenes=model.heldout_scenes,
        ),
        data=replace(
            drawn.data,
            max_text_tokens=recipe.data.max_text_tokens,
            max_answer_tokens=model.max_answer_tokens,
            encoders=recipe.data.encoders,
            report=False,
        ),
        pretrain=replace(recipe.pretrain, languages=(_FIRST,), epochs=model.pretrain_epochs),
        finetune=replace(
            recipe.finetune,
            epochs=model.finetune_epochs,
            optimizer=replace(recipe.finetune.optimizer, lr_new_tokens=model.lr_new_tokens),
        ),
    )


def extended(recipe: Recipe, folder: Path) -> Recipe:
    """Returns the recipe of the same model with an extended vocabulary.

    Args:
        recipe: The model's own.
        folder: Of the extended language model and its tokenizer.
    """
    parts = replace(recipe.parts, language_model=folder, tokenizer=folder)
    return replace(recipe, parts=parts)


def _absolute(parts: ModelParts) -> ModelParts:
    return replace(
        parts,
        tower=parts.tower.resolve(),
        language_model=parts.language_model.resolve(),
        tokenizer=parts.tokenizer.resolve(),
    )
