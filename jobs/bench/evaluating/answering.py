"""Answers a second: the batches that benches are answered in, against a plain loop of generate."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from evaluating.settings import EvaluateBench

from palo.benchmark import Figure, spread
from palo.checkpoint.finished import write_stage
from palo.checkpoint.load import TrainedModel, load_trained
from palo.config import to_dict
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.benches.sources.scenes import read_questions
from palo.evaluate.generation import (
    AnswerSettings,
    generate_texts,
    image_features,
    preprocessing_of,
    prompt_ids,
)
from palo.images.preprocessing import read_preprocessing
from palo.model.assemble import assemble
from palo.recipes import RECIPES
from palo.scenes.corpus import SceneCorpusConfig, write_scenes
from palo.text.encoding import expand_sentinels, stop_ids
from palo.text.messages import Conversation, Turn


def measure_answering(settings: EvaluateBench) -> Iterator[Figure]:
    """Asks the nano model, its projector untrained, about scenes in ten languages."""
    torch.set_num_threads(settings.threads)
    ours, plain, differing = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        trained = _model(Path(folder), settings)
        questions = _questions(Path(folder), settings)
        decoding = AnswerSettings(
            max_new_tokens=settings.new_tokens, batch_size=settings.batch_size
        )
        generate_texts(trained, questions[:2], decoding)  # memory and threads are there then
        for _ in range(settings.repeats):
            started = time.perf_counter()
            batched = generate_texts(trained, questions, decoding)
            ours.append(len(questions) / (time.perf_counter() - started))
            started = time.perf_counter()
            single = [_generate(trained, question, settings) for question in questions]
            plain.append(len(questions) / (time.perf_counter() - started))
            differing += sum(a != b for a, b in zip(batched, single, strict=True))
    yield spread("answers_per_s", ours, "answers/s")
    yield spread("plain_loop_answers_per_s", plain, "answers/s")
    ratios = [a / b for a, b in zip(ours, plain, strict=True)]
    yield spread("answers_to_plain_loop", ratios, "1")
    yield spread("answers_that_differ", [differing], "answers", target=0.0, better="lower")


def _model(folder: Path, settings: EvaluateBench) -> TrainedModel:
    parts = RECIPES["nano"]().parts
    torch.manual_seed(settings.seed)
    model = assemble(parts.tower, parts.language_model, parts.projector_type, seed=settings.seed)
    preprocessing = read_preprocessing(parts.tower, model.config.input_image_size)
    write_stage(
        folder / "stage",
        {f"projector.{name}": value for name, value in model.projector.state_dict().items()},
        parts=parts,
        lora=None,
        template="vicuna_v1",
        preprocessing=to_dict(preprocessing),
        lineage={},
    )
    return load_trained(folder / "stage")


def _questions(folder: Path, settings: EvaluateBench) -> Sequence[BenchItem]:
    """Returns questions, two about each image in each language."""
    scenes = replace(
        SceneCorpusConfig(), num_train_scenes=1, num_heldout_scenes=8, seed=settings.seed
    )
    corpus = write_scenes(folder / "scenes", scenes)
    questions = read_questions(corpus.questions, corpus.folder)
    return (questions * -(-settings.answers // len(questions)))[: settings.answers]


def _generate(trained: TrainedModel, question: BenchItem, settings: EvaluateBench) -> str:
    """Answers with transformers' generate, the image read and encoded for this question."""
    stops = stop_ids(trained.template, trained.tokenizer)
    prompt = prompt_ids(trained, Conversation((Turn("user", question.question, 1),)))
    ids = expand_sentinels(prompt, trained.model.config.tokens_per_image)
    row = trained.model.generate(
        torch.tensor([ids]),
        features=image_features(trained.model, preprocessing_of(trained), [question.image]),
        max_new_tokens=settings.new_tokens,
        do_sample=False,
        eos_token_id=list(stops),
        pad_token_id=trained.tokenizer.pad_id,
    )[0, len(ids) :]
    return trained.tokenizer.decode([number for number in row.tolist() if number not in stops])
