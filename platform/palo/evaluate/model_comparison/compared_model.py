"""A model as a comparison needs it, and the ways of computing that all models in memory share.

Shapes: L token ids of a prompt, one sentinel for each image; A token ids of an answer; V logits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from palo.errors import DataError, MismatchError

ComparedDtype = Literal["float32", "bfloat16", "float16"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_MOST_ADDED = 16


class ComparedModel(Protocol):
    """A model of any kind.

    Attributes:
        name: Its name for people.
        id: Id of its lineage, or of its files.
        identity: All that its results depend on beside prompt and image, as JSON values.
        vocab_size: Number of ids that its tokenizer has.
        stop_ids: Ids that end its answers.
    """

    name: str
    id: str
    identity: Sequence[object]
    vocab_size: int
    stop_ids: tuple[int, ...]

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text by itself.

        Args:
            text: Any text.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of an answer.

        Args:
            ids: Its ids.
        """

    def prompt(self, question: str, *, has_image: bool) -> list[int] | None:
        """Returns the prompt of a question as this model's own layout has it; None without one.

        Args:
            question: The user's words.
            has_image: Whether an image goes with it.
        """

    def answer(
        self, prompt: Sequence[int], image: Path | None, stops: Sequence[int], most: int
    ) -> list[int]:
        """Answers greedily.

        Args:
            prompt: (L,) token ids.
            image: The image file at the sentinel, if there is one.
            stops: Ids that end the answer; the one that did is part of it.
            most: Most tokens of the answer.

        Returns:
            (A,) token ids, at least one.
        """

    def logits(self, prompt: Sequence[int], image: Path | None, answer: Sequence[int]) -> Tensor:
        """Returns the logits of each token of a given answer.

        Args:
            prompt: (L,) token ids.
            image: The image file at the sentinel, if there is one.
            answer: (A,) token ids, at least one.

        Returns:
            (A, V) float32 on the CPU: row n predicts token n from those before it.
        """


class CachedSteps(Protocol):
    """A model in memory, which computes a prompt first and goes on from its cache."""

    def start(self, prompt: Sequence[int], image: Path | None) -> tuple[Tensor, object]:
        """Computes a prompt.

        Args:
            prompt: (L,) token ids.
            image: The image file at the sentinel.

        Returns:
            (V,) logits of the token after it, and the cache.
        """

    def go_on(self, ids: Sequence[int], cache: object) -> Tensor:
        """Computes some more tokens; the cache then holds them, too.

        Args:
            ids: (N,) token ids.
            cache: What `start` returned.

        Returns:
            (N, V) logits of the token after each.
        """


@torch.inference_mode()
def greedy(
    model: CachedSteps, prompt: Sequence[int], image: Path | None, stops: Sequence[int], most: int
) -> list[int]:
    """Answers greedily, token by token; see `ComparedModel.answer`.

    Args:
        model: The model.
        prompt: (L,) token ids.
        image: The image file at the sentinel.
        stops: Ids that end the answer.
        most: Most tokens of the answer.
    """
    logits, cache = model.start(prompt, image)
    answer = [int(logits.argmax())]
    while answer[-1] not in stops and len(answer) < most:
        answer.append(int(model.go_on(answer[-1:], cache)[-1].argmax()))
    return answer


@torch.inference_mode()
def forced_logits(
    model: CachedSteps, prompt: Sequence[int], image: Path | None, answer: Sequence[int]
) -> Tensor:
    """Returns the logits of a given answer's tokens; see `ComparedModel.logits`.

    Args:
        model: The model.
        prompt: (L,) token ids.
        image: The image file at the sentinel.
        answer: (A,) token ids.
    """
    first, cache = model.start(prompt, image)
    rows = [first[None]]
    if len(answer) > 1:
        rows.append(model.go_on(answer[:-1], cache))
    return torch.cat(rows).float().cpu()


def require_room(name: str, num_tokens: int, most: int) -> None:
    """Checks that a prompt fits into a model.

    Args:
        name: The model's name.
        num_tokens: Tokens of the prompt, those of its image included.
        most: Positions that the model has.

    Raises:
        DataError: If it doesn't.
    """
    if num_tokens > most:
        raise DataError(
            f"a prompt is too long for {name}",
            seen=f"{num_tokens:,} tokens, it has {most:,} positions",
            fix="Take that prompt out.",
        )


def require_comparable(first: ComparedModel, second: ComparedModel, texts: Sequence[str]) -> int:
    """Checks that two models mean the same by their ids.

    Args:
        first: A model.
        second: Another one.
        texts: Texts that both must encode to the same ids.

    Returns:
        How many logits can be compared: the ids that both have. Some layouts add tokens of their
        own behind those of the tokenizer.

    Raises:
        MismatchError: If their vocabularies are different ones.
    """
    sizes = (first.vocab_size, second.vocab_size)
    seen = f"{first.name} has {sizes[0]:,} tokens, {second.name} {sizes[1]:,}"
    if max(sizes) - min(sizes) > _MOST_ADDED:
        raise MismatchError(
            "the models have different vocabularies",
            seen=seen,
            fix="Compare models of one tokenizer.",
        )
    for text in texts:
        if first.encode(text) != second.encode(text):
            raise MismatchError(
                "the models' tokenizers give other ids to the same text",
                seen=f"{text[:40]!r}; {seen}",
                fix="Compare models of one tokenizer.",
            )
    return min(sizes)
