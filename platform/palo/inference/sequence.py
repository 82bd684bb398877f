"""Sequences: a request with its computed tokens and its answer so far, and their preparation."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from torch import Tensor

from palo import config
from palo.errors import DataError
from palo.inference.adapters import Adapter
from palo.inference.engine import EngineSettings
from palo.inference.kv_cache import BlockKeys
from palo.inference.request import FinishReason, Output, Request, Token, TokenUsage
from palo.inference.sampler import Sampler
from palo.model.projectors import Projector
from palo.text.streaming import TextStream
from palo.text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from palo.model.config import PaloConfig


@dataclass(frozen=True, slots=True)
class ImageSpan:
    """The half-open range of prompt positions that an image's tokens have."""

    image_id: str
    start: int
    stop: int


class SequenceState:
    """A request's token ids, how many of them are computed, and the answer's text.

    Args:
        number: Identifies the sequence within its engine.
        request: The request.
        ids: The prompt, with each image's sentinel repeated for each of its tokens.
        images: Positions of the images.
        block_keys: Names of its blocks, those of the prompt included.
        adapter: Adapter to use; None for the model's own weights.
        max_tokens: Most tokens of the answer.
        tokenizer: Decodes the answer.
        vocab_size: Number of ids that may be sampled.

    Attributes:
        slot: Its slot; None while it isn't running.
        num_computed: Tokens whose keys and values are in the slot.
        num_stored_blocks: Its blocks that are in the prefix cache.
        num_cached: Prompt tokens that came from the prefix cache.
        generated: Ids of the answer, the one that ended it included.
        max_tokens: Most tokens of the answer.
    """

    def __init__(
        self,
        number: int,
        request: Request,
        *,
        ids: list[int],
        images: Sequence[ImageSpan],
        block_keys: BlockKeys,
        adapter: Adapter | None,
        max_tokens: int,
        tokenizer: TextTokenizer,
        vocab_size: int,
    ) -> None:
        self.number = number
        self.request = request
        self.adapter = adapter
        self.block_keys = block_keys
        self.prompt = ids
        self.slot: int | None = None
        self.num_computed = 0
        self.num_stored_blocks = 0
        self.num_cached = 0
        self.generated: list[int] = []
        self.sampler = Sampler(request.sampling, ids, vocab_size)
        self._images = images
        self._projected: dict[str, Tensor] = {}
        self.max_tokens = max_tokens
        self._text = TextStream(tokenizer, request.sampling.stop)
        self._submitted_at = time.monotonic()
        self._started_at: float | None = None
        self._first_token_at: float | None = None

    @property
    def num_prompt_left(self) -> int:
        """Prompt tokens that are not computed yet."""
        return max(0, len(self.prompt) - self.num_computed)

    @property
    def is_decoding(self) -> bool:
        """Whether the prompt is computed, so that each step decodes one token."""
        return bool(self.generated)

    @property
    def first_token_s(self) -> float | None:
        """Seconds from the request to its first token; None before it."""
        return None if self._first_token_at is None else self._first_token_at - self._submitted_at

    @property
    def service_s(self) -> float:
        """Seconds since it got its slot."""
        return 0.0 if self._started_at is None else time.monotonic() - self._started_at

    def start(self, slot: int) -> None:
        """Starts it in a slot.

        Args:
            slot: The slot.
        """
        self.slot = slot
        self._started_at = time.monotonic()

    def next_ids(self, length: int) -> list[int]:
        """Returns the next ids to compute: of the prompt, or the last one of the answer.

        Args:
            length: How many of the prompt.
        """
        if self.generated:
            return self.generated[-1:]
        return self.prompt[self.num_computed : self.num_computed + length]

    def next_block(self, block_tokens: int) -> bytes | None:
        """Returns the name of the block that is computed next; None for an incomplete one.

        Args:
            block_tokens: Tokens of a block.
        """
        number = self.num_computed // block_tokens
        return self.block_keys.names[number] if number < len(self.block_keys.names) else None

    def image_rows(self, length: int, projector: Projector) -> list[tuple[int, Tensor]]:
        """Returns the image embeddings that replace sentinels among the next ids.

        Args:
            length: How many ids are next.
            projector: Projects image features to tokens.

        Returns:
            Pairs of an offset among the next ids, and (tokens, H) embeddings.
        """
        if self.generated:
            return []
        start, stop = self.num_computed, self.num_computed + length
        found = []
        for image in self._images:
            first, last = max(start, image.start), min(stop, image.stop)
            if first < last:
                rows = self._image_tokens(image.image_id, projector)
                found.append((first - start, rows[first - image.start : last - image.start]))
        return found

    def _image_tokens(self, image_id: str, projector: Projector) -> Tensor:
        if image_id not in self._projected:
            like = next(projector.parameters())
            features = self.request.features[image_id].to(like.device, like.dtype)
            self._projected[image_id] = projector(features[None])[0]
        return self._projected[image_id]

    def append(self, token: Token) -> Output:
        """Appends a token to the answer.

        Args:
            token: The sampled token.

        Returns:
            The output for the listener, with a finish reason after the last token.
        """
        if self._first_token_at is None:
            self._first_token_at = time.monotonic()
            self._projected.clear()
        self.generated.append(token.id)
        self.block_keys.add_ids(self.generated[-1:])
        if token.id in self.request.sampling.stop_ids:
            return self.finish("stop")
        text = self._text.add(token.id)
        if self._text.stopped:
            return self.finish("stop", text, token)
        if len(self.generated) == self.max_tokens:
            return self.finish("length", text, token)
        return Output(text=text, tokens=(token,))

    def finish(self, finish: FinishReason, text: str = "", token: Token | None = None) -> Output:
        """Ends the answer.

        Args:
            finish: Why it ends.
            text: Text that is complete but not in an output yet.
            token: Token of this step; None if it has no text or there is none.

        Returns:
            The last output, with the rest of the text and the usage.
        """
        now = time.monotonic()
        started = now if self._started_at is None else self._started_at
        usage = TokenUsage(
            prompt_tokens=len(self.prompt),
            completion_tokens=len(self.generated),
            cached_tokens=self.num_cached,
            queue_s=started - self._submitted_at,
            first_token_s=self.first_token_s,
            total_s=now - self._submitted_at,
        )
        tokens = () if token is None else (token,)
        return Output(text=text + self._text.end(), tokens=tokens, finish=finish, usage=usage)


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
        if room < 1:
            raise DataError(
                "a conversation is too long for the model",
                seen=f"{len(ids)} tokens",
                fix=f"It takes {self.max_context} with the answer.",
            )
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
            if not 0 <= token_id < self.vocab_size and token_id != sentinel:
                raise ValueError(f"id {token_id} is none of the model's {self.vocab_size}")
        shape = (self._config.num_patches, self._config.vision_hidden_size)
        for image_id in request.image_ids:
            features = request.features.get(image_id)
            if features is None or tuple(features.shape) != shape:
                seen = None if features is None else tuple(features.shape)
                raise ValueError(f"image {image_id} needs features of shape {shape}, got {seen}")


def _require_adapter(request: Request, adapters: Collection[str]) -> None:
    if request.adapter is not None and request.adapter not in adapters:
        raise DataError(
            "the model has no adapter of this name",
            seen=request.adapter,
            fix=f"It has {', '.join(sorted(adapters)) or 'none'}.",
        )
