"""Two models on the same prompts: logits over the same answer, and the answers of both.

The first model's greedy answer is given to both, so that each token's logits follow the same words;
then the second model answers by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from palo import storage
from palo.config import from_dict, to_dict
from palo.errors import DataError
from palo.evaluate.benches.bench import content_hash
from palo.evaluate.model_comparison.compared_model import ComparedModel, require_comparable
from palo.evaluate.model_comparison.prompts import ComparisonPrompt
from palo.evaluate.result_cache import ResultCache


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptComparison:
    """Two models on one prompt.

    Attributes:
        first: The first model's answer.
        second: The second model's answer.
        num_first: Tokens of the first answer, the one that ends it included.
        num_second: Tokens of the second answer.
        num_common: Tokens with which both begin.
        num_agreeing: Tokens of the first answer that are the first choice of both models.
        most_difference: Largest difference of two logits.
        mean_difference: Mean difference of two logits, over all tokens and ids.
        mean_kl: Kullback-Leibler divergence of the second model's next-token distribution from the
            first one's, in nats, the mean over the tokens.
        same_prompt: Whether both models' own layouts give the same prompt; None where one has no
            layout.
    """

    first: str
    second: str
    num_first: int
    num_second: int
    num_common: int
    num_agreeing: int
    most_difference: float
    mean_difference: float
    mean_kl: float
    same_prompt: bool | None

    @property
    def is_identical(self) -> bool:
        """Whether both answers are the same tokens."""
        return self.num_first == self.num_second == self.num_common


def compare_models(
    first: ComparedModel,
    second: ComparedModel,
    prompts: Sequence[ComparisonPrompt],
    *,
    most_tokens: int,
    cache: Path,
    on_prompt: Callable[[bool], object] = lambda known: None,
) -> list[PromptComparison]:
    """Compares two models; results of an earlier run are used again.

    Args:
        first: The model that the other one is measured by: of its layout are the prompts.
        second: The other one.
        prompts: At least one. Those about one image should follow one another.
        most_tokens: Most tokens of an answer.
        cache: File of results, for any number of pairs of models.
        on_prompt: Called after each, with whether it was known.

    Returns:
        One for each prompt.

    Raises:
        DataError: If there is no prompt, the first model has no layout, or the cache is damaged.
        ImageError: If an image can't be used.
        MismatchError: If the models have different vocabularies.
    """
    if not prompts:
        raise DataError("there are no prompts", fix="Name a file with a prompt on each line.")
    texts = list(dict.fromkeys(one.question for one in prompts))
    num_ids = require_comparable(first, second, texts)
    hashes = {image: storage.file_hash(image) for one in prompts if (image := one.image)}
    pair = [list(first.identity), list(second.identity), most_tokens]
    found = []
    with ResultCache(cache) as results:
        for one in prompts:
            shown = "" if one.image is None else hashes[one.image]
            key = content_hash([one.question, shown, *pair])
            is_known = key in results.known
            if not is_known:
                results.add(key, to_dict(_compared(first, second, one, most_tokens, num_ids)))
            found.append(from_dict(PromptComparison, results.known[key]))
            on_prompt(is_known)
    return found


def _compared(
    first: ComparedModel,
    second: ComparedModel,
    prompt: ComparisonPrompt,
    most_tokens: int,
    num_ids: int,
) -> PromptComparison:
    has_image = prompt.image is not None
    ids = first.prompt(prompt.question, has_image=has_image)
    if ids is None:
        raise DataError(
            "the first model has no chat template, so it can't be asked",
            seen=first.name,
            fix="Name the other model first.",
        )
    others = second.prompt(prompt.question, has_image=has_image)
    stops = first.stop_ids
    answer = first.answer(ids, prompt.image, stops, most_tokens)
    own = second.answer(ids, prompt.image, stops, most_tokens)
    logits = first.logits(ids, prompt.image, answer)[:, :num_ids]
    differing = second.logits(ids, prompt.image, answer)[:, :num_ids]
    most, mean, kl = differences(logits, differing)
    return PromptComparison(
        first=first.decode(answer),
        second=first.decode(own),
        num_first=len(answer),
        num_second=len(own),
        num_common=common_length(answer, own),
        num_agreeing=int((logits.argmax(-1) == differing.argmax(-1)).sum()),
        most_difference=most,
        mean_difference=mean,
        mean_kl=kl,
        same_prompt=None if others is None else ids == others,
    )


def differences(first: Tensor, second: Tensor) -> tuple[float, float, float]:
    """Measures how far two models' logits of the same tokens are apart.

    Args:
        first: (A, V) floats of the model that the other one is measured by.
        second: (A, V) floats.

    Returns:
        The largest absolute difference, the mean one, and the mean over the tokens of the
        Kullback-Leibler divergence of the second distribution from the first, in nats.

    Raises:
        DataError: If a logit is no number.
    """
    one, other = first.double(), second.double()
    if not (torch.isfinite(one).all() and torch.isfinite(other).all()):
        raise DataError(
            "a model gives logits that are no numbers",
            seen="NaN or infinity",
            fix="Its weights are damaged, or too large for the number format: use another one.",
        )
    apart = (one - other).abs()
    logs, other_logs = one.log_softmax(-1), other.log_softmax(-1)
    kl = (logs.exp() * (logs - other_logs)).sum(-1).mean()
    return float(apart.max()), float(apart.mean()), max(0.0, float(kl))


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Returns with how many equal tokens two answers begin.

    Args:
        first: Token ids.
        second: Token ids.
    """
    pairs = zip(first, second, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
