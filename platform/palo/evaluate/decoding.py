"""Decoding: the next tokens of a batch of prompts, one step at a time, with a KV cache.

Legend: B prompts, L tokens of the longest, N images, P patches, D feature width.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo.errors import DataError
from palo.evaluate.padding import padded

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

Choice = Callable[[Tensor], Tensor]
"""Chooses ids (B,) from logits (B, vocabulary)."""


def greedy(logits: Tensor) -> Tensor:
    """Chooses the likeliest ids: (B,) int64 from (B, vocabulary) logits."""
    return logits.argmax(dim=-1)


def sampler(temperature: float, seed: int | None = None) -> Choice:
    """Returns a choice that draws from the model's own distribution.

    Args:
        temperature: Logits are divided by it; 0 chooses greedily.
        seed: Seed of the draws; None takes a fresh one.
    """
    if temperature == 0:
        return greedy
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)

    def draw(logits: Tensor) -> Tensor:
        shares = torch.softmax(logits.float().cpu() / temperature, dim=-1)
        return torch.multinomial(shares, 1, generator=generator)[:, 0].to(logits.device)

    return draw


@torch.inference_mode()
def decode(
    model: "PaloForConditionalGeneration",
    prompts: Sequence[Sequence[int]],
    features: Tensor | None,
    *,
    stop_ids: Collection[int],
    max_new_tokens: int,
    choose: Choice = greedy,
) -> Generator[list[int | None]]:
    """Yields the next id of each prompt, until all have stopped.

    Args:
        model: The model.
        prompts: B prompts; the sentinel at each of the T places of an image.
        features: (N, P, D) floats, images in order of appearance over all prompts, or None.
        stop_ids: Ids that end an answer; they are not yielded.
        max_new_tokens: Most ids of an answer.
        choose: How ids come from logits.

    Yields:
        B ids; None for a prompt that has stopped.

    Raises:
        DataError: If a prompt leaves the model no room for an answer.
    """
    room = model.config.text_config.max_position_embeddings - max(map(len, prompts))
    if room < 1:
        raise DataError(
            "a conversation is too long for the model",
            seen=f"{max(map(len, prompts))} tokens",
            fix=f"It takes {model.config.text_config.max_position_embeddings} with the answer.",
        )
    ids, mask = (tensor.to(model.device) for tensor in padded(prompts, "left"))
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    stopped = [False] * len(prompts)
    cache = None
    for _ in range(min(max_new_tokens, room)):
        output = model(
            input_ids=ids,
            features=features if cache is None else None,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        chosen = choose(output.logits[:, -1])
        step = chosen.tolist()
        stopped = [s or token in stop_ids for s, token in zip(stopped, step, strict=True)]
        if all(stopped):
            return
        yield [None if s else token for s, token in zip(stopped, step, strict=True)]
        ids = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
        positions = positions[:, -1:] + 1
