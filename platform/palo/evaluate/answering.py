"""Greedy answers to questions, in batches of prompts of like length, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from palo.checkpoint.load import TrainedModel, load_trained
from palo.evaluate.decoding import decode
from palo.evaluate.pictures import picture_features, preprocessing_of
from palo.evaluate.questions import Question
from palo.text.encoding import encode_prompt, expand_sentinels, stop_ids
from palo.text.messages import Conversation, Turn

_BATCHES_A_CHUNK = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSettings:
    """How questions are answered.

    Attributes:
        max_new_tokens: Most tokens of an answer.
        batch_size: Prompts that go through the model together.
        withhold_image: Asks the same words without the picture.
    """

    max_new_tokens: int = 64
    batch_size: int = 32
    withhold_image: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("max_new_tokens", "batch_size"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"


def load_for_answers(stage: Path) -> TrainedModel:
    """Loads a finished stage's model: bfloat16 on a GPU where there is one, else float32 on CPUs.

    Raises:
        DataError: If the folder holds no finished stage.
        MismatchError: If its weights are not for its pretrained parts.
    """
    if not torch.cuda.is_available():
        return load_trained(stage)
    trained = load_trained(stage, torch.bfloat16)
    trained.model.to("cuda")
    return trained


def answer_here(
    trained: TrainedModel, questions: Sequence[Question], settings: AnswerSettings
) -> list[str]:
    """Answers questions in this process, each distinct picture encoded once.

    Args:
        trained: The model.
        questions: Any number.
        settings: How they are answered.

    Returns:
        The answers, in the order of the questions.

    Raises:
        ImageError: If a picture can't be used.
        DataError: If a question is too long for the model.
    """
    answers = [""] * len(questions)
    for chunk in chunks_by_image(questions, _BATCHES_A_CHUNK * settings.batch_size):
        found = _answer_chunk(trained, [questions[position] for position in chunk], settings)
        for position, answer in zip(chunk, found, strict=True):
            answers[position] = answer
    return answers


def chunks_by_image(questions: Sequence[Question], num_questions: int) -> list[list[int]]:
    """Deals questions into chunks so that no picture is in two of them.

    Args:
        questions: Any number.
        num_questions: A chunk is closed once it has this many.

    Returns:
        Positions of the questions of each chunk.
    """
    by_image: dict[Path, list[int]] = {}
    for position, question in enumerate(questions):
        by_image.setdefault(question.image, []).append(position)
    chunks: list[list[int]] = []
    for positions in by_image.values():
        if not chunks or len(chunks[-1]) >= num_questions:
            chunks.append([])
        chunks[-1] += positions
    return chunks


def _answer_chunk(
    trained: TrainedModel, questions: Sequence[Question], settings: AnswerSettings
) -> list[str]:
    images = {} if settings.withhold_image else _features_of(trained, questions)
    prompts = [prompt_ids(trained, _conversation(question, settings)) for question in questions]
    stops = stop_ids(trained.template, trained.tokenizer)
    answers = [""] * len(questions)
    # Longest first: if memory runs out, it does so at once.
    order = sorted(range(len(questions)), key=lambda position: -len(prompts[position]))
    for start in range(0, len(order), settings.batch_size):
        batch = order[start : start + settings.batch_size]
        shown = [images[questions[position].image] for position in batch] if images else []
        steps = decode(
            trained.model,
            [prompts[position] for position in batch],
            torch.stack(shown) if shown else None,
            stop_ids=stops,
            max_new_tokens=settings.max_new_tokens,
        )
        for position, ids in zip(batch, zip(*steps, strict=True), strict=False):
            answers[position] = trained.tokenizer.decode([i for i in ids if i is not None])
    return answers


def _features_of(trained: TrainedModel, questions: Sequence[Question]) -> dict[Path, torch.Tensor]:
    paths = list(dict.fromkeys(question.image for question in questions))
    features = picture_features(trained.model, preprocessing_of(trained), paths)
    return dict(zip(paths, features, strict=True))


def _conversation(question: Question, settings: AnswerSettings) -> Conversation:
    num_images = 0 if settings.withhold_image else 1
    return Conversation((Turn("user", question.question, num_images),))


def prompt_ids(trained: TrainedModel, conversation: Conversation) -> list[int]:
    """Returns a conversation as the model takes it.

    Args:
        trained: The model.
        conversation: Ends with the user's turn.

    Returns:
        Token ids, the sentinel at each place of an image.
    """
    ids = encode_prompt(conversation, trained.template, trained.tokenizer)
    return expand_sentinels(ids, trained.model.config.tokens_per_image)
