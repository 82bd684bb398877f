"""Greedy answers to questions about images, many at once, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from palo.checkpoint.load import TrainedModel, load_trained
from palo.config import from_dict
from palo.errors import ImageError
from palo.evaluate.benches.bench import BenchItem
from palo.images.decode import decode_image, preprocess
from palo.images.image_folder import read_image_file
from palo.images.preprocessing import Preprocessing, read_preprocessing
from palo.inference.engine import EngineSettings
from palo.inference.request import FinishReason, Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.text.encoding import encode_prompt, stop_ids
from palo.text.messages import Conversation, Turn

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

_BATCHES_A_CHUNK = 16
_IMAGE_BATCH = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSettings:
    """Settings of greedy answers.

    Attributes:
        max_new_tokens: Most tokens of an answer.
        batch_size: Questions that are answered at once.
        withhold_image: Asks the same question without the image.
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
    """A generated answer.

    Attributes:
        text: The answer.
        finish: stop: the model ended it; length: it was cut off.
    """

    text: str
    finish: FinishReason

    @property
    def finish_reason(self) -> Literal["stop", "length"]:
        """The reason as cached answers hold it."""
        return "length" if self.finish == "length" else "stop"


def load_for_answers(stage: Path) -> TrainedModel:
    """Loads a finished stage's model: bfloat16 on a GPU where there is one, else float32 on CPUs.

    Args:
        stage: Folder of the finished stage.

    Raises:
        DataError: If the folder holds no finished stage.
        MismatchError: If its weights are not for its pretrained parts.
    """
    if not torch.cuda.is_available():
        return load_trained(stage)
    trained = load_trained(stage, torch.bfloat16)
    trained.model.to("cuda")
    return trained


def generate_texts(
    trained: TrainedModel, items: Sequence[BenchItem], settings: AnswerSettings
) -> list[str]:
    """Returns the texts of `generate`.

    Args:
        trained: The model.
        items: The questions.
        settings: How they are answered.
    """
    return [generation.text for generation in generate(trained, items, settings)]


def generate(
    trained: TrainedModel, items: Sequence[BenchItem], settings: AnswerSettings
) -> list[Generation]:
    """Answers questions in this process; each distinct image is encoded once.

    Args:
        trained: The model.
        items: The questions.
        settings: How they are answered.

    Returns:
        The answers, in the order of the questions.

    Raises:
        ImageError: If an image can't be used.
        DataError: If a question is too long for the model.
    """
    if not items:
        return []
    prompts = [prompt_ids(trained, _conversation(item, settings)) for item in items]
    scheduler = _scheduler(trained, prompts, settings)
    answers: dict[int, Generation] = {}
    for chunk in chunks_by_image(items, _BATCHES_A_CHUNK * settings.batch_size):
        images = {} if settings.withhold_image else _features_of(trained, [items[i] for i in chunk])
        requests = [_request(trained, prompts[i], items[i], images, settings) for i in chunk]
        ids: list[list[int]] = [[] for _ in chunk]
        for number, output in scheduler.run(requests):
            ids[number] += [token.id for token in output.tokens]
            if output.finish is not None:
                text = trained.tokenizer.decode(ids[number])
                answers[chunk[number]] = Generation(text, output.finish)
    return [answers[position] for position in range(len(items))]


def chunks_by_image(items: Sequence[BenchItem], num_questions: int) -> list[list[int]]:
    """Splits questions into chunks so that no image is in two of them.

    Args:
        items: The questions.
        num_questions: A chunk is closed once it has this many.

    Returns:
        Positions of the questions of each chunk.
    """
    by_image: dict[Path, list[int]] = {}
    for position, item in enumerate(items):
        by_image.setdefault(item.image, []).append(position)
    chunks: list[list[int]] = []
    for positions in by_image.values():
        if not chunks or len(chunks[-1]) >= num_questions:
            chunks.append([])
        chunks[-1] += positions
    return chunks


def _scheduler(
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
    item: BenchItem,
    images: dict[Path, torch.Tensor],
    settings: AnswerSettings,
) -> Request:
    name = str(item.image)
    return Request(
        prompt_ids=prompt,
        image_ids=(name,) if images else (),
        features={name: images[item.image]} if images else {},
        sampling=Sampling(
            max_tokens=settings.max_new_tokens,
            stop_ids=stop_ids(trained.template, trained.tokenizer),
        ),
    )


def _conversation(item: BenchItem, settings: AnswerSettings) -> Conversation:
    num_images = 0 if settings.withhold_image else 1
    return Conversation((Turn("user", item.question, num_images),))


def prompt_ids(trained: TrainedModel, conversation: Conversation) -> list[int]:
    """Encodes a conversation as the model's prompt.

    Args:
        trained: The model.
        conversation: Ends with the user's turn.

    Returns:
        Token ids, one sentinel for each image.
    """
    return encode_prompt(conversation, trained.template, trained.tokenizer)


def _features_of(trained: TrainedModel, items: Sequence[BenchItem]) -> dict[Path, torch.Tensor]:
    paths = list(dict.fromkeys(item.image for item in items))
    features = image_features(trained.model, preprocessing_of(trained), paths)
    return dict(zip(paths, features, strict=True))


def preprocessing_of(trained: TrainedModel) -> Preprocessing:
    """Returns the preprocessing of a model's images.

    Args:
        trained: The model.

    Returns:
        That of its training; that of its tower's own configuration if it was trained without
        images.
    """
    if trained.stage.preprocessing is None:
        image_size = trained.model.config.input_image_size
        return read_preprocessing(trained.stage.parts.tower, image_size)
    return from_dict(Preprocessing, trained.stage.preprocessing)


@torch.inference_mode()
def image_features(
    model: "PaloForConditionalGeneration", preprocessing: Preprocessing, paths: Sequence[Path]
) -> torch.Tensor:
    """Encodes images with the vision tower.

    Args:
        model: The model; the features are on its device.
        preprocessing: Preprocessing of the images.
        paths: At least one image file.

    Returns:
        (N, P, D) features in the order of the paths, in the dtype of the tower's weights.

    Raises:
        ImageError: If a file can't be read, or is no image that can be used.
        StorageError: If a store refuses.
    """
    parts = []
    for start in range(0, len(paths), _IMAGE_BATCH):
        pixels = [_pixels(path, preprocessing) for path in paths[start : start + _IMAGE_BATCH]]
        parts.append(model.vision_tower(torch.stack(pixels).to(model.device)))
    return torch.cat(parts)


def _pixels(path: Path, preprocessing: Preprocessing) -> torch.Tensor:
    data = read_image_file(path)
    try:
        image = decode_image(data)
    except ImageError as error:
        raise ImageError(f"{path}: {error.fact}", seen=error.seen, fix=error.fix) from error
    return torch.from_numpy(preprocess(image, preprocessing))
