"""Comparison of an export with the model that it was made of, before anybody sees the export.

The reference is the model as it was trained: base weights in their own files, the adapter beside
them, unmerged. Both get the same prompts in every language, with and without an image of seeded
noise, and both answer greedily.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from palo import languages
from palo.checkpoint.finished import (
    StageResult,
    language_model_folder,
    read_projector,
)
from palo.errors import MismatchError
from palo.model.assemble import assemble
from palo.model.folder_guard import require_adapter
from palo.model.library_noise import without_peft_warning
from palo.text.encoding import encode_prompt, expand_sentinels, stop_ids
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES, Template
from palo.text.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

NUM_TOKENS = 8
_KEPT = 8  # positions at the end of each prompt whose logits are compared
_SEED = 20240222
TOLERANCES = {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.2}
"""How far logits may be off, as root mean square in standard deviations of all logits, by type.

Another order of additions makes the first difference, rounding every weight the others. Worst of
the nano models and of small random ones: 7e-6, 0.002, 0.052. An adapter that is merged with half of
its strength, or not at all, makes more than 0.4.
"""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """How an export compares with its model.

    Attributes:
        compute_dtype: Type that both were run in.
        tolerance: Largest `rms_difference` that is allowed.
        rms_difference: Root mean square of the differences of logits, in standard deviations of all
            logits.
        max_difference: Largest difference of two logits, in the same unit.
        num_prompts: Prompts.
        num_with_image: How many of them have an image.
        num_equal_answers: Prompts whose greedy answers are equal, token by token.
        num_tokens: Most tokens of an answer.
        equal_answers_by_language: Share of a language's prompts with equal answers.
    """

    compute_dtype: str
    tolerance: float
    rms_difference: float
    max_difference: float
    num_prompts: int
    num_with_image: int
    num_equal_answers: int
    num_tokens: int = NUM_TOKENS
    equal_answers_by_language: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, object]:
        """Returns what a model card says of it."""
        unequal = {c: share for c, share in self.equal_answers_by_language.items() if share < 1}
        return {
            "compared with": f"the trained model, its adapter unmerged, in {self.compute_dtype}",
            "prompts": f"{self.num_prompts} in {len(self.equal_answers_by_language)} languages, "
            f"{self.num_with_image} of them with an image",
            "difference of logits, root mean square in standard deviations": self.rms_difference,
            "largest of these that is allowed": self.tolerance,
            "largest difference of two logits in the same unit": self.max_difference,
            f"equal greedy answers of {self.num_tokens} tokens": f"{self.num_equal_answers} of "
            f"{self.num_prompts}",
            **({"share of equal answers elsewhere 1, but in": unequal} if unequal else {}),
        }


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
    parts = stage.parts
    model = assemble(
        parts.tower,
        language_model_folder(stage),
        parts.projector_type,
        image_size=parts.image_size,
        dtype=dtype,
    )
    model.projector.load_state_dict(read_projector(stage.folder))
    if stage.has_adapter:
        from peft import PeftModel

        folder = stage.folder / "adapter"
        require_adapter(folder)
        with without_peft_warning():
            PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=False)
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
        images = {} if probe.pixels is None else {"pixels": probe.pixels.to(self._model.dtype)}
        return answer(self._model, probe.ids, images, self._stop)


def answer(model: Any, ids: list[int], images: dict[str, Tensor], stop: list[int]) -> ProbeAnswer:  # noqa: ANN401 - any library's model
    """Runs a model on a prompt.

    Args:
        model: A model of transformers.
        ids: The prompt.
        images: Arguments for its images.
        stop: Ids that end an answer.
    """
    rows = torch.tensor([ids])
    inputs = {"input_ids": rows, "attention_mask": torch.ones_like(rows), **images}
    logits = model(**inputs, logits_to_keep=min(_KEPT, len(ids))).logits[0].float()
    options = {"max_new_tokens": NUM_TOKENS, "do_sample": False, "eos_token_id": stop}
    made = model.generate(**inputs, **options, pad_token_id=0)
    return ProbeAnswer(logits, made[0, len(ids) :].tolist())


def stop_ids_of(stage: StageResult) -> tuple[int, ...]:
    """Returns the ids that end an answer of a finished model.

    Args:
        stage: The finished stage.
    """
    return stop_ids(TEMPLATES[stage.template], load_tokenizer(stage.parts.tokenizer))


def compare(
    probes: Sequence[Probe],
    reference: Sequence[ProbeAnswer],
    export: Answering,
    *,
    dtype: str,
    compute_dtype: str,
    said: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Compares an export's answers with those of its model.

    Args:
        probes: The questions.
        reference: The model's answers, in their order.
        export: The export.
        dtype: Type of the export's weights; the coarser of both decides the tolerance.
        compute_dtype: Type that both run in.
        said: Receives 1 for each answer.

    Raises:
        MismatchError: If a difference is larger than the tolerance.
    """
    scale = torch.cat([one.logits.flatten() for one in reference]).std().item()
    differences, equal = [], []
    for probe, wanted in zip(probes, reference, strict=True):
        got = export(probe)
        vocabulary = wanted.logits.shape[-1]
        differences.append((got.logits[:, :vocabulary] - wanted.logits).abs().flatten() / scale)
        equal.append(got.tokens == wanted.tokens)
        said(1)
    every = torch.cat(differences)
    rms = every.square().mean().sqrt().item()
    tolerance = max(TOLERANCES[dtype], TOLERANCES[compute_dtype])
    if not rms <= tolerance:  # nor is NaN
        worst = max(zip(differences, probes, strict=True), key=lambda pair: pair[0].max().item())
        raise MismatchError(
            "the export doesn't answer as its model does",
            seen=f"logits are off by {rms:.3g} standard deviations ({tolerance:g} allowed), "
            f"most in {worst[1].language}",
            fix="Try --dtype float32; if that fails too, report it.",
        )
    by_language: dict[str, list[bool]] = {}
    for probe, same in zip(probes, equal, strict=True):
        by_language.setdefault(probe.language, []).append(same)
    return Verification(
        compute_dtype=compute_dtype,
        tolerance=tolerance,
        rms_difference=rms,
        max_difference=every.max().item(),
        num_prompts=len(probes),
        num_with_image=sum(probe.pixels is not None for probe in probes),
        num_equal_answers=sum(equal),
        equal_answers_by_language={
            code: sum(found) / len(found) for code, found in by_language.items()
        },
    )
