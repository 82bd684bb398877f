"""A sequence: a request with its computed tokens and its answer so far."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from palo.inference.adapters import Adapter
from palo.inference.kv_cache import BlockKeys
from palo.inference.request import FinishReason, Output, Request, Token, TokenUsage
from palo.inference.sampler import Sampler
from palo.model.projectors import Projector
from palo.text.streaming import TextStream
from palo.text.tokenizer import TextTokenizer


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
        ids: The prompt, with each image's sentinel repeated for each of its tokens, and the
            beginning of the answer that the request carries.
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
        generated: Ids of the answer that are sampled here, the one that ended it included.
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
        self._num_begun = len(request.begun_ids)
        self.sampler = Sampler(request.sampling, ids, vocab_size, self._num_begun)
        self._images = images
        self._projected: dict[str, Tensor] = {}
        self.max_tokens = max_tokens
        self._text = TextStream(tokenizer, request.sampling.stop)
        for token_id in request.begun_ids:  # whoever sends them has their text
            self._text.add(token_id)
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
        if self._num_begun + len(self.generated) >= self.max_tokens:
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
        prompt_tokens = len(self.prompt) - self._num_begun
        usage = TokenUsage(
            prompt_tokens=prompt_tokens,
            completion_tokens=self._num_begun + len(self.generated),
            cached_tokens=min(self.num_cached, prompt_tokens),
            queue_s=started - self._submitted_at,
            first_token_s=self.first_token_s,
            total_s=now - self._submitted_at,
        )
        tokens = () if token is None else (token,)
        return Output(text=text + self._text.end(), tokens=tokens, finish=finish, usage=usage)
