"""Trains and asks a model with its own vocabulary and with an extended one."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from resuming import Kept, say
from speaking.models import SIDES, SceneModel, Side, extended, recipe_of
from training.outcomes import Answered, outcome
from training.small_stages import SmallTraining, build_here, heldout_items, train_here

from palo import storage
from palo.checkpoint.load import TrainedModel
from palo.data.corpus_reader import open_corpus
from palo.data.manifest import LanguageCount
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.generation import AnswerSettings, generate, load_for_answers
from palo.evaluate.measures import measure
from palo.pipeline import steps
from palo.pipeline.steps import StageName, corpus_config
from palo.pipeline.vocabulary import VocabularyJob, extend_vocabulary
from palo.recipes import Recipe
from palo.text.tokenizer import load_tokenizer
from palo.train.stage_files import StageFiles
from palo.train.stage_state import read_state

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCost:
    """What a stage took, in a process of its own.

    Attributes:
        num_steps: Its optimizer steps.
        num_tokens: Tokens that went through the model, image tokens included.
        cpu_s: CPU seconds of all of it, the model's loading included.
        peak_memory_bytes: Most memory that the process held.
    """

    num_steps: int
    num_tokens: int
    cpu_s: float
    peak_memory_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """An answer to a held-out question.

    Attributes:
        side: Which vocabulary its model has.
        answered: What became of the question.
        chrf: Similarity to the right answer, from 0 to 100.
        batch: Questions of its language that were asked together, by number.
        cpu_s: CPU seconds an answer of that batch, the image included.
    """

    side: Side
    answered: Answered
    chrf: float
    batch: int
    cpu_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What one model cost and said, with both vocabularies.

    Attributes:
        new_tokens: Tokens that were added.
        corpora: Counts of the finetune corpus by language.
        stages: The finetune stages, one of each seed.
        answers: All seeds' answers.
    """

    new_tokens: int
    corpora: dict[Side, tuple[LanguageCount, ...]]
    stages: dict[Side, list[StageCost]]
    answers: list[Spoken]


def trained(
    name: str, model: SceneModel, seeds: Sequence[int], threads: int, kept: Kept
) -> Trained:
    """Builds, trains and asks what isn't there yet.

    Args:
        name: Name of the model among what is kept.
        model: The model.
        seeds: Seeds of everything that is trained.
        threads: Threads of a process that trains or asks.
        kept: What earlier calls have measured.

    Raises:
        DataError: If pretrained parts are missing.
        TimeOverError: If the time of this call is over.
    """
    kept.require_time(f"{name}-corpora")
    recipes = _built(model, kept.folder(name).resolve())
    runs = _Runs(name, recipes, threads, kept)
    stages: dict[Side, list[StageCost]] = {side: [] for side in SIDES}
    answers: list[Spoken] = []
    for seed in seeds:
        for side, run in runs.stages(seed).items():
            stages[side].append(run)
        answers += runs.answers(seed, model.batches)
    sizes = [load_tokenizer(recipes[side].parts.tokenizer).vocab_size for side in SIDES]
    return Trained(
        new_tokens=sizes[1] - sizes[0],
        corpora={
            side: open_corpus(corpus_config(recipe, "finetune").output).manifest.languages
            for side, recipe in recipes.items()
        },
        stages=stages,
        answers=answers,
    )


def vocabulary_job(model: SceneModel, recipe: Recipe, folder: Path) -> VocabularyJob:
    """Returns the extension, by pieces that are learned from the questions and answers to train on.

    Args:
        model: The model.
        recipe: Its recipe, whose scenes are drawn.
        folder: Of the extended language model and its tokenizer.
    """
    return VocabularyJob(
        language_model=recipe.parts.language_model,
        tokenizer=recipe.parts.tokenizer,
        instructions=(recipe.source(recipe.data.instructions),),
        vocabulary=model.vocabulary,
        output=folder,
    )


def _built(model: SceneModel, folder: Path) -> dict[Side, Recipe]:
    """Draws the scenes, extends the vocabulary, and builds the corpora of both sides."""
    own = recipe_of(model, folder)
    own.parts.require()
    steps.draw_scenes(own)
    extend_vocabulary(vocabulary_job(model, own, folder / "extended"), say)
    recipes: dict[Side, Recipe] = {"before": own, "after": extended(own, folder / "extended")}
    build_here(folder, list(recipes.values()))
    return recipes


class _Runs:
    """The stages and answers of one model."""

    def __init__(self, name: str, recipes: dict[Side, Recipe], threads: int, kept: Kept) -> None:
        self._name = name
        self._recipes = recipes
        self._threads = threads
        self._kept = kept
        self._folder = kept.folder(f"{name}-stages")

    def stages(self, seed: int) -> dict[Side, StageCost]:
        """Trains what both sides start from, and then each."""
        self._stage("pretrain", "before", seed)
        return {side: self._stage("finetune", side, seed) for side in SIDES}

    def answers(self, seed: int, num_batches: int) -> list[Spoken]:
        """Asks the models of both sides all held-out questions."""

        def ask() -> list[Spoken]:
            say(f"{self._name}, seed {seed}: asking")
            folders = {side: self._stage_folder("finetune", side, seed) for side in SIDES}
            recipe = self._recipes["before"]
            return _in_own_process(_asked, recipe, folders, num_batches, self._threads)

        return self._kept.result(f"{self._name}-seed{seed}-answers", Spoken, ask)

    def _stage(self, kind: StageName, side: Side, seed: int) -> StageCost:
        folder = self._stage_folder(kind, side, seed)

        def train() -> Iterator[StageCost]:
            say(f"{self._name}, seed {seed}: training {kind}, {side}")
            # From its beginning: its CPU seconds are those of all its steps.
            storage.remove(folder)
            start = self._stage_folder("pretrain", "before", seed)
            projector = start if kind == "finetune" else None
            how = SmallTraining(seed=seed, threads=self._threads)
            yield _in_own_process(_stage_cost, self._recipes[side], kind, folder, how, projector)

        part = f"{self._name}-seed{seed}-{kind}-{side}"
        return self._kept.result(part, StageCost, lambda: list(train()))[0]

    def _stage_folder(self, kind: StageName, side: Side, seed: int) -> Path:
        return self._folder / f"seed{seed}" / f"{kind}-{side}"


def _in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function in a new process, whose CPU time and memory are its alone."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _stage_cost(
    recipe: Recipe, kind: StageName, folder: Path, how: SmallTraining, projector: Path | None
) -> StageCost:
    begin = time.process_time()
    train_here(recipe, kind, folder, how, projector=projector)
    cpu_s = time.process_time() - begin
    metrics = read_state(StageFiles(folder)).metrics
    peaks = [one.peak_memory_bytes for one in metrics if one.peak_memory_bytes is not None]
    return StageCost(
        num_steps=len(metrics),
        num_tokens=sum(one.num_tokens for one in metrics),
        cpu_s=cpu_s,
        peak_memory_bytes=max(peaks),
    )


def _asked(
    recipe: Recipe, folders: dict[Side, Path], num_batches: int, threads: int
) -> list[Spoken]:
    """Asks both models the same questions, batch by batch in turn."""
    torch.set_num_threads(threads)
    models = {side: load_for_answers(folder) for side, folder in folders.items()}
    decoding = AnswerSettings(max_new_tokens=recipe.data.max_answer_tokens)
    batches = question_batches(heldout_items(recipe), num_batches)
    for one in models.values():
        generate(one, batches[0][1][:1], decoding)  # the first one also makes buffers
    return [
        spoken
        for number, items in batches
        for side, one in models.items()
        for spoken in _batch(side, one, number, items, decoding)
    ]


def question_batches(
    items: Sequence[BenchItem], num_batches: int
) -> list[tuple[int, list[BenchItem]]]:
    """Returns the questions of each language in parts, each with its number; no image is in two.

    Args:
        items: The questions.
        num_batches: How many parts of each language.
    """
    images = list(dict.fromkeys(item.image for item in items))
    part = {image: number * num_batches // len(images) for number, image in enumerate(images)}
    found: dict[tuple[int, str], list[BenchItem]] = {}
    for item in items:
        found.setdefault((part[item.image], item.language), []).append(item)
    return [(number, own) for (number, _), own in found.items()]


def _batch(
    side: Side,
    model: TrainedModel,
    number: int,
    items: Sequence[BenchItem],
    decoding: AnswerSettings,
) -> Iterator[Spoken]:
    begin = time.process_time()
    texts = generate(model, items, decoding)
    cpu_s = (time.process_time() - begin) / len(items)
    answers = [
        ModelAnswer(key=item.key, text=one.text, finish_reason=one.finish_reason)
        for item, one in zip(items, texts, strict=True)
    ]
    for one in measure(items, answers):
        yield Spoken(side=side, answered=outcome(one), chrf=one.chrf, batch=number, cpu_s=cpu_s)
