"""Comparison of an export with the model that it was made of, before anybody sees the export.

The reference is the model as it was trained: base weights in their own files, the adapter beside
them, unmerged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from palo.checkpoint.exporting.probes import (
    NUM_TOKENS,
    Answering,
    Probe,
    ProbeAnswer,
    last_logits,
    pixels_of,
)
from palo.checkpoint.merged_weights import MergedWeights
from palo.errors import MismatchError

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

TOLERANCES = {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.2, "q8_0": 0.4}
"""How far logits may be off, as root mean square in standard deviations of all logits, by type.

Another order of additions makes the first difference, rounding every weight the others. Worst of
the nano models and of small random ones: 7e-6, 0.002, 0.056; q8_0 makes four times as much as
bfloat16. An adapter that is merged with half of its strength makes 0.3 and more, one with nine
tenths of it 0.1: so merging is compared on its own, before anything is rounded.
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
        merge_difference: As `rms_difference`, of the model with merged weights that nothing has
            rounded yet; None where there was nothing to merge.
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
    merge_difference: float | None = None
    equal_answers_by_language: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, object]:
        """Returns what a model card says of it."""
        unequal = {c: share for c, share in self.equal_answers_by_language.items() if share < 1}
        return {
            "compared with": f"the trained model, its adapter unmerged, in {self.compute_dtype}",
            **(
                {}
                if self.merge_difference is None
                else {"difference of logits by merging alone": self.merge_difference}
            ),
            "prompts": f"{self.num_prompts} in {len(self.equal_answers_by_language)} languages, "
            f"{self.num_with_image} of them with an image",
            "difference of logits, root mean square in standard deviations": self.rms_difference,
            "largest of these that is allowed": self.tolerance,
            "largest difference of two logits in the same unit": self.max_difference,
            f"equal greedy answers of {self.num_tokens} tokens": f"{self.num_equal_answers} of "
            f"{self.num_prompts}",
            **({"share of equal answers elsewhere 1, but in": unequal} if unequal else {}),
        }


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
    scale = _scale(reference)
    differences, equal = [], []
    for probe, wanted in zip(probes, reference, strict=True):
        got = export(probe)
        differences.append(_difference(got.logits, wanted.logits) / scale)
        equal.append(got.tokens == wanted.tokens)
        said(1)
    tolerance = max(TOLERANCES[dtype], TOLERANCES[compute_dtype])
    rms = _tolerated("the export", probes, differences, tolerance)
    by_language: dict[str, list[bool]] = {}
    for probe, same in zip(probes, equal, strict=True):
        by_language.setdefault(probe.language, []).append(same)
    return Verification(
        compute_dtype=compute_dtype,
        tolerance=tolerance,
        rms_difference=rms,
        max_difference=torch.cat(differences).max().item(),
        num_prompts=len(probes),
        num_with_image=sum(probe.pixels is not None for probe in probes),
        num_equal_answers=sum(equal),
        equal_answers_by_language={
            code: sum(found) / len(found) for code, found in by_language.items()
        },
    )


@torch.no_grad()
def merge_difference(
    model: "PaloForConditionalGeneration",
    weights: MergedWeights,
    probes: Sequence[Probe],
    reference: Sequence[ProbeAnswer],
) -> float | None:
    """Puts merged weights in the places of an unmerged adapter, and compares logits again.

    Args:
        model: As `trained_model` returns it; its adapter is off afterwards.
        weights: The merged weights.
        probes: The questions.
        reference: The model's answers before.

    Returns:
        The root mean square of the differences in standard deviations of the logits; None if there
        is no adapter.

    Raises:
        MismatchError: If it is larger than the tolerance of the type that the model runs in.
    """
    if not weights.adapter:
        return None
    for name in weights.adapter:
        layer: Any = model.get_submodule(name.removesuffix(".weight"))
        layer.base_layer.weight.copy_(weights.read(name))
        layer.enable_adapters(enabled=False)
    scale = _scale(reference)
    differences = []
    for probe, wanted in zip(probes, reference, strict=True):
        logits = last_logits(model, probe.ids, pixels_of(probe, model))
        differences.append(_difference(logits, wanted.logits) / scale)
    tolerance = TOLERANCES[str(model.dtype).removeprefix("torch.")]
    return _tolerated("the model with its adapter merged", probes, differences, tolerance)


def _scale(reference: Sequence[ProbeAnswer]) -> float:
    return torch.cat([one.logits.flatten() for one in reference]).std().item()


def _difference(got: Tensor, wanted: Tensor) -> Tensor:
    """Differences of logits, those of words that were added for other programs left out."""
    return (got[:, : wanted.shape[-1]] - wanted).abs().flatten()


def _tolerated(
    what: str, probes: Sequence[Probe], differences: Sequence[Tensor], tolerance: float
) -> float:
    """Returns the root mean square of the differences.

    Raises:
        MismatchError: If it is larger than the tolerance.
    """
    rms = torch.cat(list(differences)).square().mean().sqrt().item()
    if rms <= tolerance:  # NaN is not
        return rms
    worst = max(zip(differences, probes, strict=True), key=lambda pair: pair[0].max().item())
    raise MismatchError(
        f"{what} doesn't answer as the model did",
        seen=f"logits are off by {rms:.3g} standard deviations ({tolerance:g} allowed), most in "
        f"{worst[1].language}",
        fix="Try --dtype float32; if that fails too, report it.",
    )
