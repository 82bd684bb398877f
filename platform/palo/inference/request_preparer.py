"""Prepares requests: checks them, and makes their sequences."""

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

from palo import config
from palo.errors import DataError
from palo.inference.adapters import Adapter
from palo.inference.engine import EngineSettings
from palo.inference.kv_cache import BlockKeys
from palo.inference.request import Request
from palo.text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from palo.model.config import PaloConfig


from palo.inference.sequence import ImageSpan, SequenceState


class RequestPreparer:
    """Checks requests and makes their sequences. Safe for threads.

    Args:
        model: Configuration of the model.
        tokenizer: Its tokenizer.
        settings: Sizes of the engine.
        adapters: Adapters that requests may name.

    Attributes:
        max_context: Longest prompt with its answer, in tokens.
        vocab_size: Ids that may be sampled; a model may have more rows than its tokenizer has ids.
    """

    def __init__(
        self,
        model: "PaloConfig",
        tokenizer: TextTokenizer,
        settings: EngineSettings,
        adapters: Mapping[str, Adapter],
    ) -> None:
        text = model.text_config
        self.max_context = min(settings.max_context, int(text.max_position_embeddings))
        self.vocab_size = min(int(text.vocab_size), tokenizer.vocab_size)
        self._config = model
        self._tokenizer = tokenizer
        self._block_tokens = settings.block_tokens
        self._adapters = adapters
        self._numbers = count(1)

    def prepare(self, request: Request) -> SequenceState:
        """Checks a request and makes its sequence.

        Args:
            request: The request.

        Raises:
            ConfigError: If its sampling settings are out of range.
            DataError: If it is too long, or names an unknown adapter.
            ValueError: If images don't fit the prompt, or ids are none of the model's.
        """
        config.check(request.sampling)
        _require_adapter(request, self._adapters)
        self._check(request)
        sentinel, per_image = self._config.image_sentinel, self._config.tokens_per_image
        ids, images = expand_images(request, sentinel, per_image)
        room = self.max_context - len(ids)
        if room < 1 + len(request.begun_ids):
            raise DataError(
                "the prompt is too long for the model",
                seen=f"{len(ids)} tokens",
                fix=f"It takes {self.max_context} with the answer.",
            )
        ids += request.begun_ids
        return SequenceState(
            next(self._numbers),
            request,
            ids=ids,
            images=images,
            block_keys=prompt_block_keys(
                ids, images, request.adapter or "", self._block_tokens, request.salt
            ),
            adapter=self._adapters[request.adapter] if request.adapter else None,
            max_tokens=min(request.sampling.max_tokens or room, room),
            tokenizer=self._tokenizer,
            vocab_size=self.vocab_size,
        )

    def _check(self, request: Request) -> None:
        if not request.prompt_ids:
            raise ValueError("a prompt needs at least one id")
        sentinel = self._config.image_sentinel
        for token_id in request.prompt_ids:
            if token_id != sentinel:
                self._check_id(token_id)
        for token_id in request.begun_ids:
            self._check_id(token_id)
        shape = (self._config.num_patches, self._config.vision_hidden_size)
        for image_id in request.image_ids:
            features = request.features.get(image_id)
            if features is None or tuple(features.shape) != shape:
                seen = None if features is None else tuple(features.shape)
                raise ValueError(f"image {image_id} needs features of shape {shape}, got {seen}")

    def _check_id(self, token_id: int) -> None:
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(f"id {token_id} is none of the model's {self.vocab_size}")


def expand_images(
    request: Request, sentinel: int, tokens_per_image: int
) -> tuple[list[int], list[ImageSpan]]:
    """Repeats the sentinel of each image for all of its tokens.

    Args:
        request: The request.
        sentinel: Id of an image in the prompt.
        tokens_per_image: Tokens of an image.

    Returns:
        The expanded prompt, and the positions of its images.

    Raises:
        ValueError: If there are more or fewer image ids than sentinels.
    """
    ids: list[int] = []
    images: list[ImageSpan] = []
    names = iter(request.image_ids)
    for token_id in request.prompt_ids:
        if token_id != sentinel:
            ids.append(token_id)
            continue
        name = next(names, None)
        if name is None:
            break
        images.append(ImageSpan(name, len(ids), len(ids) + tokens_per_image))
        ids += [sentinel] * tokens_per_image
    num_places = sum(token_id == sentinel for token_id in request.prompt_ids)
    if num_places != len(request.image_ids):
        raise ValueError(
            f"the prompt has {num_places} places for images and {len(request.image_ids)} image ids"
        )
    return ids, images


def prompt_block_keys(
    ids: Sequence[int],
    images: Sequence[ImageSpan],
    weights: str,
    block_tokens: int,
    salt: str = "",
) -> BlockKeys:
    """Names the blocks of a prompt; see `BlockKeys`.

    Args:
        ids: The expanded prompt.
        images: Positions of its images.
        weights: Name of the adapter, or "".
        block_tokens: Tokens of a block.
        salt: Sequences of other salts get other names.
    """
    block_keys = BlockKeys(weights, block_tokens, salt)
    place = 0
    for image in images:
        block_keys.add_ids(ids[place : image.start])
        block_keys.add_image(image.image_id, image.stop - image.start)
        place = image.stop
    block_keys.add_ids(ids[place:])
    return block_keys


def _require_adapter(request: Request, adapters: Collection[str]) -> None:
    if request.adapter is not None and request.adapter not in adapters:
        raise DataError(
            "the model has no adapter of this name",
            seen=request.adapter,
            fix=f"It has {', '.join(sorted(adapters)) or 'none'}.",
        )
