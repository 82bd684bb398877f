"""Greedy answers to questions, many at once, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from palo.checkpoint.load import TrainedModel, load_trained
from palo.evaluate.image_features import image_features, preprocessing_of
from palo.evaluate.questions import Question
from palo.inference.request import FinishReason, Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.inference.settings import EngineSettings
from palo.text.encoding import encode_prompt, stop_ids
from palo.text.messages import Conversation, Turn

_BATCHES_A_CHUNK = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSettings:
    """How questions are answered.

    Attributes:
        max_new_tokens: Most tokens of an answer.
        batch_size: Questions that are answered at once.
        withhold_image: Asks the same words without the image.
    """

    max_new_tokens: int = 64
    batch_size: int = 32
    withhold_image: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("max_new_tokens", "batch_size"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"


class Generation(NamedTuple):
    """An answer that was given.

    Attributes:
        text: Its words.
        finish: stop: the model ended by itself; length: it was cut off.
    """

    text: str
    finish: FinishReason

    @property
    def finish_reason(self) -> Literal["stop", "length"]:
        """How it ended, as answers that are kept say it."""
        return "length" if self.finish == "length" else "stop"


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
    """Returns the words of `generate_here`."""
    return [given.text for given in generate_here(trained, questions, settings)]


def generate_here(
    trained: TrainedModel, questions: Sequence[Question], settings: AnswerSettings
) -> list[Generation]:
    """Answers questions in this process, each distinct image encoded once.

    Args:
        trained: The model.
        questions: Any number.
        settings: How they are answered.

    Returns:
        The answers, in the order of the questions.

    Raises:
        ImageError: If an image can't be used.
        DataError: If a question is too long for the model.
    """
    if not questions:
        return []
    prompts = [prompt_ids(trained, _conversation(question, settings)) for question in questions]
    batcher = _batcher(trained, prompts, settings)
    answers: dict[int, Generation] = {}
    for chunk in chunks_by_image(questions, _BATCHES_A_CHUNK * settings.batch_size):
        asked = [questions[position] for position in chunk]
        images = {} if settings.withhold_image else _features_of(trained, asked)
        requests = [
            _request(trained, prompts[position], questions[position], images, settings)
            for position in chunk
        ]
        ids: list[list[int]] = [[] for _ in chunk]
        for place, output in batcher.run(requests):
            ids[place] += [token.id for token in output.tokens]
            if output.finish is not None:
                text = trained.tokenizer.decode(ids[place])
                answers[chunk[place]] = Generation(text, output.finish)
    return [answers[position] for position in range(len(questions))]


def chunks_by_image(questions: Sequence[Question], num_questions: int) -> list[list[int]]:
    """Deals questions into chunks so that no image is in two of them.

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


def _batcher(
    trained: TrainedModel, prompts: Sequence[Sequence[int]], settings: AnswerSettings
) -> Scheduler:
    """Returns an engine that is no larger than these prompts need."""
    longest = max(map(len, prompts)) + trained.model.config.tokens_per_image
    sizes = EngineSettings(
        num_slots=min(settings.batch_size, len(prompts)),
        max_context=longest + settings.max_new_tokens,
    )
    return Scheduler(trained.model, trained.tokenizer, sizes)


def _request(
    trained: TrainedModel,
    prompt: Sequence[int],
    question: Question,
    images: dict[Path, torch.Tensor],
    settings: AnswerSettings,
) -> Request:
    name = str(question.image)
    return Request(
        prompt_ids=prompt,
        image_ids=(name,) if images else (),
        features={name: images[question.image]} if images else {},
        sampling=Sampling(
            max_tokens=settings.max_new_tokens,
            stop_ids=stop_ids(trained.template, trained.tokenizer),
        ),
    )


def _features_of(trained: TrainedModel, questions: Sequence[Question]) -> dict[Path, torch.Tensor]:
    paths = list(dict.fromkeys(question.image for question in questions))
    features = image_features(trained.model, preprocessing_of(trained), paths)
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
        Token ids, one sentinel for each image.
    """
    return encode_prompt(conversation, trained.template, trained.tokenizer)
