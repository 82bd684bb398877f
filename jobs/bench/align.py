"""Measures what alignment on parallel text does: `make bench NAME=align`.

The nano model learns to see in English alone, or in English with a few rows of each low-resource
language; from its base, and from its base aligned on parallel text about scenes first. All are
asked the same held-out questions in ten languages. Stages that are finished are not repeated.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo import languages, storage
from palo.benchmark import Conditions, Figure, publish, spread
from palo.command import override, run_job
from palo.corpus.filter.mixture import MixtureSettings
from palo.machine import hardware
from palo.recipes import RECIPES, Recipe

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "transformers", "peft", "ray")
_SEEN = "en"
_BASES = ("plain", "aligned")
Scores = dict[str, dict[str, float]]
"""Shares of answers that are right, and in the right language, by language."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignBench:
    """What is trained and asked.

    Attributes:
        seeds: Seeds of everything that is trained.
        train_scenes: Images, each with a caption and a conversation in every language.
        text_scenes: Scenes that the parallel text is about.
        few: Rows of each low-resource language beside the English ones.
        pretrain_epochs: How often the pretrain stage sees the English captions.
        finetune_epochs: How often the finetune stage sees the rows.
        heldout_scenes: Held-out images, with two questions in every language.
        threads: Threads of one process that trains.
        cache: Where scenes, corpora, stages and answers are kept.
        output: Where the result goes; None for the checkout's own.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    train_scenes: int = 600
    text_scenes: int = 400
    few: int = 50
    pretrain_epochs: int = 8
    finetune_epochs: int = 8
    heldout_scenes: int = 25
    threads: int = 2
    cache: Path = Path(".cache") / "bench" / "align"
    output: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to a model.

    Attributes:
        base: plain or aligned.
        rows: english or few, the rows of its finetune stage.
    """

    base: str
    rows: str

    @property
    def name(self) -> str:
        """Its name in figures."""
        return f"{self.base}_{self.rows}"


_ARMS = tuple(Arm(base=base, rows=rows) for rows in ("english", "few") for base in _BASES)


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(AlignBench(), arguments, "jobs/bench/align.py")
    machine = hardware()
    recipes = {rows: _recipe(settings, rows) for rows in ("english", "few")}
    from training.small_stages import build_here

    build_here(settings.cache.resolve(), [recipes["few"]])
    scores = {
        (arm.name, seed): _scored(settings, recipes[arm.rows], arm, seed)
        for seed in settings.seeds
        for arm in _ARMS
    }
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None),
        seeds=settings.seeds,
        counts={
            "questions_each_language": 2 * settings.heldout_scenes,
            "models": len(scores),
        },
    )
    publish("align", list(_figures(settings, scores)), conditions, root=_ROOT,
            folder=settings.output)  # fmt: skip


def _groups() -> dict[str, tuple[str, ...]]:
    low = tuple(one.code for one in languages.every() if one.resource == "low")
    other = tuple(code for code in languages.codes() if code != _SEEN and code not in low)
    return {"english": (_SEEN,), "high": other, "low": low}


def _recipe(settings: AlignBench, rows: str) -> Recipe:
    recipe = RECIPES["nano-aligned"]()
    assert recipe.pretrain is not None
    assert recipe.scenes is not None
    assert recipe.scene_text is not None
    every = len(languages.codes())
    groups = _groups()
    counts = dict.fromkeys(groups["low"], settings.few) | {_SEEN: settings.train_scenes}
    mixture = MixtureSettings(languages=tuple(counts), per_language=counts)
    return dataclasses.replace(
        recipe,
        output=settings.cache.resolve() / "data",
        corpora=settings.cache.resolve() / "corpora",
        scenes=dataclasses.replace(
            recipe.scenes,
            num_train_scenes=settings.train_scenes,
            num_captions_per_scene=every,
            num_records_per_scene=every,
            num_heldout_scenes=settings.heldout_scenes,
        ),
        scene_text=dataclasses.replace(recipe.scene_text, num_scenes=settings.text_scenes),
        pretrain=dataclasses.replace(recipe.pretrain, epochs=settings.pretrain_epochs),
        finetune=dataclasses.replace(
            recipe.finetune,
            epochs=settings.finetune_epochs,
            languages=None if rows == "few" else (_SEEN,),
        ),
        data=dataclasses.replace(recipe.data, mixture=mixture, report=False),
    )


def _scored(
    settings: AlignBench, recipe: Recipe, arm: Arm, seed: int
) -> dict[str, dict[str, float]]:
    """Trains an arm and returns its scores by language: exact match, and fidelity."""
    folder = settings.cache.resolve() / f"seed{seed}"
    path = folder / f"{arm.name}.json"
    if not path.is_file():
        stage = _trained(settings, recipe, arm, folder, seed)
        storage.write_json(path, _asked(recipe, stage))
    scores: Scores = storage.read_json(path)
    return scores


def _trained(settings: AlignBench, recipe: Recipe, arm: Arm, folder: Path, seed: int) -> Path:
    from training.small_stages import SmallTraining, train_here

    from palo.checkpoint.finished import read_stage
    from palo.checkpoint.merged_language_model import merged_language_model

    how = SmallTraining(seed=seed, threads=settings.threads)
    parts = recipe.parts
    if arm.base == "aligned":
        train_here(recipe, "align", folder / "align", how)
        language_model = merged_language_model(read_stage(folder / "align"))
        parts = dataclasses.replace(parts, language_model=language_model)
    pretrained = folder / f"{arm.base}_pretrain"
    train_here(recipe, "pretrain", pretrained, how, parts=parts)
    train_here(recipe, "finetune", folder / arm.name, how, parts=parts, projector=pretrained)
    return folder / arm.name


def _asked(recipe: Recipe, stage: Path) -> Scores:
    from training.small_stages import measured_answers

    found = measured_answers(recipe, stage)
    by_language = {
        code: [m for m in found if m.item.language == code] for code in languages.codes()
    }
    return {
        code: {
            "accuracy": sum(m.exact for m in own) / len(own),
            "fidelity": sum(m.fidelity == "right" for m in own) / len(own),
        }
        for code, own in by_language.items()
    }


def _figures(settings: AlignBench, scores: dict[tuple[str, int], Scores]) -> Iterator[Figure]:
    for group, codes in _groups().items():
        for measure in ("accuracy", "fidelity"):
            means = {key: _mean(found, codes, measure) for key, found in scores.items()}
            for arm in _ARMS:
                values = [100 * means[arm.name, seed] for seed in settings.seeds]
                yield spread(f"{arm.name}_{group}_{measure}", values, "%")
            for rows in ("english", "few"):
                gains = [
                    100 * (means[f"aligned_{rows}", seed] - means[f"plain_{rows}", seed])
                    for seed in settings.seeds
                ]
                yield spread(f"gain_{rows}_{group}_{measure}", gains, "points")


def _mean(found: Scores, codes: Sequence[str], measure: str) -> float:
    return sum(found[code][measure] for code in codes) / len(codes)


if __name__ == "__main__":
    run_job(main)
