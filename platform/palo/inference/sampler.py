"""Samples tokens from logits, each row with its own parameters and random numbers."""

import random
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from palo.inference.request import Sampling, Token

_GREEDY_BELOW = 1e-4
_FIRST_LOOK = 512


class Sampler:
    """Samples the tokens of one sequence, independently of all other sequences.

    Args:
        sampling: Sampling parameters.
        prompt_ids: Ids of the prompt; negative ones, of images, are skipped.
        vocab_size: Number of ids (V).
        num_drawn: Tokens that another engine has sampled of the same answer.
    """

    def __init__(
        self,
        sampling: Sampling,
        prompt_ids: Iterable[int],
        vocab_size: int,
        num_drawn: int = 0,
    ) -> None:
        self.sampling = sampling
        self.is_greedy = sampling.temperature < _GREEDY_BELOW
        self.is_plain = sampling.repetition_penalty == 1 and self.is_greedy
        self._random = random.Random(sampling.seed)  # noqa: S311 - choosing words is no cryptography
        if not self.is_greedy:
            for _ in range(num_drawn):
                self._random.random()
        self._seen: Tensor | None = None
        if sampling.repetition_penalty != 1:
            self._seen = torch.zeros(vocab_size, dtype=torch.bool)
            self._seen[[i for i in set(prompt_ids) if i >= 0]] = True

    def sample(self, logits: Tensor) -> Tensor:
        """Returns the next id, () int64 on the logits' device.

        Args:
            logits: (V,) floats.
        """
        if self._seen is not None:
            logits = self._penalized(logits, self._seen)
        if self.is_greedy:
            return logits.argmax()
        shares, ids = self._candidates(logits.float() / self.sampling.temperature)
        running = shares.cumsum(0, dtype=torch.float64)
        point = running[-1] * self._random.random()
        place = torch.searchsorted(running, point, right=True).clamp(max=len(running) - 1)
        return place if ids is None else ids[place]

    def record(self, token_id: int) -> None:
        """Records a sampled id for the repetition penalty.

        Args:
            token_id: The id.
        """
        if self._seen is not None:
            self._seen[token_id] = True

    def _penalized(self, logits: Tensor, seen: Tensor) -> Tensor:
        """Source: CTRL (arXiv 1909.05858), section 4.1, as transformers applies it."""
        penalty = self.sampling.repetition_penalty
        lowered = torch.where(logits > 0, logits / penalty, logits * penalty)
        return torch.where(seen.to(logits.device), lowered, logits)

    def _candidates(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns probabilities and their ids; None for the ids where all are there in order.

        Source: nucleus sampling (arXiv 1904.09751): an id stays while the more probable ones have
        less than top_p together.
        """
        top_p, top_k = self.sampling.top_p, self.sampling.top_k
        if not top_k and top_p == 1:
            return logits.softmax(0), None
        total = logits.logsumexp(0)
        if top_k:
            logits, ids = logits.topk(min(top_k, len(logits)))
            total = logits.logsumexp(0)
        else:
            logits, ids = _likeliest(logits, top_p, total)
        shares = (logits - total).exp()
        return shares * (shares.cumsum(0) - shares < top_p), ids


def _likeliest(logits: Tensor, top_p: float, total: Tensor) -> tuple[Tensor, Tensor]:
    """Returns logits and ids in descending order: all, or on a CPU enough for `top_p`.

    Sorting the vocabulary takes longer there than a layer of a small model.
    """
    if not logits.is_cuda and len(logits) > _FIRST_LOOK:
        first, ids = logits.topk(_FIRST_LOOK)
        if (first - total).exp().sum() >= top_p:
            return first, ids
    every, ids = logits.sort(descending=True)
    return every, ids


def sample_tokens(logits: Tensor, samplers: Sequence[Sampler]) -> list[Token]:
    """Samples the next token of each row.

    Args:
        logits: (R, V) floats.
        samplers: Samplers of the R rows.
    """
    if all(sampler.is_plain for sampler in samplers):
        chosen = logits.argmax(dim=-1)
    else:
        chosen = torch.stack(
            [sampler.sample(row) for row, sampler in zip(logits, samplers, strict=True)]
        )
    tokens = []
    for row, token_id, sampler in zip(logits, chosen.tolist(), samplers, strict=True):
        sampler.record(token_id)
        tokens.append(_token(row, token_id, sampler.sampling.num_logprobs))
    return tokens


def _token(logits: Tensor, token_id: int, num_logprobs: int | None) -> Token:
    if num_logprobs is None:
        return Token(id=token_id)
    logprobs = logits.float().log_softmax(0)
    top: tuple[tuple[int, float], ...] = ()
    if num_logprobs:
        values, ids = logprobs.topk(min(num_logprobs, len(logprobs)))
        top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
    return Token(id=token_id, logprob=float(logprobs[token_id]), top=top)
