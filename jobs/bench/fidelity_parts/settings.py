"""What the bench of fidelity trains and asks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from palo.corpus.filter.mixture import MixtureSettings
from palo.recipes import RECIPES, Recipe
from palo.recipes.nano_fidelity import FEW, SEEN, TEMPERATURE, others

OTHERS = others()


@dataclass(frozen=True, kw_only=True, slots=True)
class FidelityBench:
    """What is trained and asked.

    Attributes:
        seeds: Seeds of everything that is trained.
        train_scenes: Images, each with a description and a conversation in English.
        text_rows: Conversations without images in each other language, for the remedy `text`.
        few: Rows about images in each other language, descriptions and conversations together,
            for the remedies `few` and `evened`.
        temperature: At which `evened` sees the languages.
        text_scenes: Scenes that the parallel text of the remedy `aligned` is about.
        pretrain_epochs: How often the pretrain stage sees the English captions.
        finetune_epochs: How often the finetune stage sees the rows.
        heldout_scenes: Held-out images, with two questions and a request to describe it in every
            language.
        threads: Threads of the process that trains.
        stop_after_s: After how many seconds no other stage begins; None for all in one go.
        cache: Where scenes, corpora, stages and answers are kept.
        output: Where the result goes; None for the checkout's own.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    train_scenes: int = 1_000
    text_rows: int = 150
    few: int = FEW
    temperature: float = TEMPERATURE
    text_scenes: int = 300
    pretrain_epochs: int = 6
    finetune_epochs: int = 2
    heldout_scenes: int = 100
    threads: int = 2
    stop_after_s: float | None = None
    cache: Path = Path(".cache") / "bench" / "fidelity"
    output: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is wrong."""
        if not self.seeds:
            yield "seeds must name at least one"
        if self.output is None and len(self.seeds) < len(FidelityBench().seeds):
            yield "fewer than three seeds make no result to keep: name --output FOLDER"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to tune on images.

    Attributes:
        name: Its name in figures.
        mixture: Rows of its finetune stage.
        temperature: At which that sees the languages; None sees each row once an epoch.
        aligned: Whether the language model is aligned on parallel text first.
    """

    name: str
    mixture: MixtureSettings
    temperature: float | None = None
    aligned: bool = False


def arms_of(settings: FidelityBench) -> tuple[Arm, ...]:
    """Returns the loss, `english`, and then the remedies.

    Args:
        settings: The bench's.
    """
    english = MixtureSettings(languages=(SEEN,))
    few = MixtureSettings(per_language=dict.fromkeys(OTHERS, settings.few), text_only_share=0.0)
    return (
        Arm(name="english", mixture=english),
        Arm(name="text", mixture=MixtureSettings(image_languages=(SEEN,))),
        Arm(name="few", mixture=few),
        Arm(name="evened", mixture=few, temperature=settings.temperature),
        Arm(name="aligned", mixture=english, aligned=True),
    )


def recipe_of(settings: FidelityBench, arm: Arm) -> Recipe:
    """Returns the recipe of an arm; all of them share scenes, image store and captions.

    Args:
        settings: The bench's.
        arm: The arm.
    """
    recipe, aligned = RECIPES["nano-text"](), RECIPES["nano-aligned"]()
    assert recipe.pretrain is not None
    assert recipe.scenes is not None
    assert recipe.text_rows is not None
    assert aligned.scene_text is not None
    folder = settings.cache.resolve()
    return replace(
        recipe,
        output=folder / "data",
        corpora=folder / "corpora",
        pretrain_output=None,
        scenes=replace(
            recipe.scenes,
            num_train_scenes=settings.train_scenes,
            num_heldout_scenes=settings.heldout_scenes,
        ),
        text_rows=replace(recipe.text_rows, per_language=settings.text_rows),
        data=replace(recipe.data, mixture=arm.mixture, report=False),
        pretrain=replace(recipe.pretrain, epochs=settings.pretrain_epochs),
        finetune=replace(
            recipe.finetune,
            epochs=settings.finetune_epochs,
            language_temperature=arm.temperature,
        ),
        align=aligned.align if arm.aligned else None,
        parallel=aligned.parallel if arm.aligned else None,
        scene_text=replace(aligned.scene_text, num_scenes=settings.text_scenes)
        if arm.aligned
        else None,
    )
