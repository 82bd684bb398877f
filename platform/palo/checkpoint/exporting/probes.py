"""The questions that a model and its export are both asked, and what either makes of them.

Each language has two, with and without an image of seeded noise; both are answered greedily.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from palo import languages
from palo.checkpoint.finished import StageResult
from palo.checkpoint.load import attach_adapter, unmerged_model
from palo.text.encoding import encode_prompt, expand_sentinels, stop_ids
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES, Template
from palo.text.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

NUM_TOKENS = 8
"""Most tokens of an answer."""
_KEPT = 8  # positions at the end of each prompt whose logits are compared
_SEED = 20240222


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A question that is put to a model and to its export.

    Attributes:
        language: ISO 639-1 code.
        conversation: Its words.
        ids: Token ids, the sentinel at each of the places of an image.
        pixels: (1, 3, rows, columns) floats, or None for a question without an image.
    """

    language: str
    conversation: Conversation
    ids: list[int]
    pixels: Tensor | None


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What a model makes of a probe.

    Attributes:
        logits: (up to 8, vocabulary) float32 of the prompt's last positions.
        tokens: Ids of the greedy answer.
    """

    logits: Tensor
    tokens: list[int]


class Answering(Protocol):
    """A model that probes are put to."""

    def __call__(self, probe: Probe) -> ProbeAnswer:
        """Answers a probe.

        Args:
            probe: The question.
        """


def probes_of(stage: StageResult, config: Any) -> list[Probe]:  # noqa: ANN401 - a PaloConfig
    """Returns two probes for each language: with an image, and without one.

    Args:
        stage: The finished stage.
        config: The model's configuration.
    """
    tokenizer, template = load_tokenizer(stage.parts.tokenizer), TEMPLATES[stage.template]
    generator = torch.Generator().manual_seed(_SEED)
    side = config.input_image_size
    found = []
    for language in languages.every():
        wish = language.caption_wish or language.answer_wish
        for text, num_images in ((wish, 1), (language.answer_wish, 0)):
            conversation = Conversation((Turn("user", text, num_images),))
            ids = encode_prompt(conversation, template, tokenizer)
            pixels = torch.randn(1, 3, side, side, generator=generator) if num_images else None
            found.append(
                Probe(
                    language=language.code,
                    conversation=conversation,
                    ids=expand_sentinels(ids, config.tokens_per_image),
                    pixels=pixels,
                )
            )
    return found


def rounds_of(template: Template) -> Iterator[Conversation]:
    """Yields conversations of one to three rounds in each language, as far as a template has them.

    Args:
        template: The conversation template.
    """
    most = 1 if template.caption else 3
    for language in languages.every():
        words = [language.caption_wish or language.answer_wish, language.answer_wish]
        for num_rounds in range(1, most + 1):
            turns = [
                Turn("assistant" if n % 2 else "user", words[n % 2], num_images=int(n == 0))
                for n in range(2 * num_rounds - 1)
            ]
            yield Conversation(tuple(turns))


def trained_model(stage: StageResult, dtype: torch.dtype) -> "PaloForConditionalGeneration":
    """Loads the model of a finished stage as it was trained: its adapter stays an adapter.

    Args:
        stage: The finished stage.
        dtype: Type that it runs in.

    Raises:
        MismatchError: If a part doesn't fit the others.
        StorageError: If a file can't be read.
    """
    model = unmerged_model(stage, dtype)
    if stage.has_adapter:
        attach_adapter(model, stage.folder / "adapter")
    model.eval()
    return model


class PaloAnswers:
    """A model of ours that probes are put to.

    Args:
        model: The model.
        stop: Ids that end an answer.
    """

    def __init__(self, model: "PaloForConditionalGeneration", stop: Sequence[int]) -> None:
        self._model = model
        self._stop = list(stop)

    @torch.no_grad()
    def __call__(self, probe: Probe) -> ProbeAnswer:
        """Answers a probe.

        Args:
            probe: The question.
        """
        return answer(self._model, probe.ids, pixels_of(probe, self._model), self._stop)


def pixels_of(probe: Probe, model: "PaloForConditionalGeneration") -> dict[str, Tensor]:
    """Returns a probe's image as an argument of a model of ours.

    Args:
        probe: The question.
        model: The model.
    """
    return {} if probe.pixels is None else {"pixels": probe.pixels.to(model.dtype)}


def answer(model: Any, ids: list[int], images: dict[str, Tensor], stop: list[int]) -> ProbeAnswer:  # noqa: ANN401 - any library's model
    """Runs a model on a prompt.

    Args:
        model: A model of transformers.
        ids: The prompt.
        images: Arguments for its images.
        stop: Ids that end an answer.
    """
    logits = last_logits(model, ids, images)
    options = {"max_new_tokens": NUM_TOKENS, "do_sample": False, "eos_token_id": stop}
    made = model.generate(**_inputs(ids, images), **options, pad_token_id=0)
    return ProbeAnswer(logits, made[0, len(ids) :].tolist())


def last_logits(model: Any, ids: list[int], images: dict[str, Tensor]) -> Tensor:  # noqa: ANN401 - any library's model
    """Returns the logits of a prompt's last positions: (up to 8, vocabulary) float32.

    Args:
        model: A model of transformers.
        ids: The prompt.
        images: Arguments for its images.
    """
    inputs = _inputs(ids, images)
    logits: Tensor = model(**inputs, logits_to_keep=min(_KEPT, len(ids))).logits[0].float()
    return logits


def _inputs(ids: list[int], images: dict[str, Tensor]) -> dict[str, Tensor]:
    rows = torch.tensor([ids])
    return {"input_ids": rows, "attention_mask": torch.ones_like(rows), **images}


def stop_ids_of(stage: StageResult) -> tuple[int, ...]:
    """Returns the ids that end an answer of a finished model.

    Args:
        stage: The finished stage.
    """
    return stop_ids(TEMPLATES[stage.template], load_tokenizer(stage.parts.tokenizer))
