"""The training loss: next-token cross-entropy at the label positions of a packed row."""

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from palo.data.loader import Batch


def token_losses(model: Any, batch: "Batch") -> torch.Tensor:  # noqa: ANN401 - model or engine
    """Returns the cross-entropy of every target of one packed row.

    Logits are computed at label positions only: with a vocabulary of 32,000 the others would cost
    more memory than the rest of the model.

    Args:
        model: A PaloForConditionalGeneration, bare or wrapped by PEFT and DeepSpeed.
        batch: One packed row with K targets.

    Returns:
        Losses in nats, float32 (K,), in the order of `batch.targets`.
    """
    logits = model(
        input_ids=batch.input_ids,
        features=batch.features,
        pixels=batch.pixels,
        position_ids=batch.position_ids,
        cu_seq_lens_q=batch.cu_seq_lens,
        logits_to_keep=batch.label_positions,
        use_cache=False,
    ).logits
    return functional.cross_entropy(logits[0].float(), batch.targets, reduction="none")
