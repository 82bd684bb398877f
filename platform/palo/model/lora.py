"""LoRA on the language model, with the projector in training beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo.errors import MismatchError
from palo.model.library_noise import without_peft_warning

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

    from palo.model.palo import PaloForConditionalGeneration

# PEFT matches the whole module name: the towers have q_proj, k_proj and v_proj too.
TARGETS = (
    r"language_model\.model\.layers\.\d+\."
    r"(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
)

_MAGNITUDE = "lora_magnitude_vector"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraSettings:
    """Size and strength of the LoRA matrices.

    Attributes:
        rank: Inner width of every pair of matrices.
        alpha: Strength; the product of a pair is scaled by alpha / rank.
        dropout: Share of a pair's inputs that training drops.
        rslora: Scale the product by alpha / sqrt(rank) instead, so that large ranks learn as fast
            as small ones (rsLoRA, arXiv 2312.03732).
        dora: Learn each output's length beside the weights' directions, which LoRA then turns
            (DoRA, arXiv 2402.09353). It needs every weight whole in the forward pass.
        fused: Compute each LoRA layer as one operation: less time and memory, and rounded a little
            differently.
        shared_dropout: With it, drop the same numbers of an input for all layers that have it:
            query, key and value, and the gate with the layer beside it. Otherwise each has a mask
            of its own, as in PEFT.

    Source: values of the released PALO scripts (finetune_lora_palo.sh).
    """

    rank: int = 128
    alpha: float = 256
    dropout: float = 0.05
    rslora: bool = False
    dora: bool = False
    fused: bool = False
    shared_dropout: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is wrong, one clause for each fault."""
        if self.rank < 1:
            yield f"rank is {self.rank}, it must be at least 1"
        if self.alpha <= 0:
            yield f"alpha is {self.alpha}, it must be above 0"
        if not 0 <= self.dropout < 1:
            yield f"dropout is {self.dropout}, it must be from 0 up to but not 1"
        if self.fused and self.dora:
            yield "fused is for plain LoRA: turn it off, or dora"
        if self.shared_dropout and not self.fused:
            yield "shared_dropout needs fused"


def lora_config(settings: LoraSettings) -> "LoraConfig":
    """Returns PEFT's configuration of an adapter of these sizes.

    Args:
        settings: Sizes of the adapter.
    """
    from peft import LoraConfig  # recipes read the settings and import no torch

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        target_modules=TARGETS,
        bias="none",
        task_type="CAUSAL_LM",
    )


def attach_lora(model: "PaloForConditionalGeneration", settings: LoraSettings) -> "PeftModel":
    """Adds LoRA to every linear layer of the language model's blocks.

    Afterwards only the LoRA matrices and the projector train; both have the model's own type,
    because ZeRO-3 with bf16 takes no mixture.

    Args:
        model: The model; it is changed in place.
        settings: Size and strength of the matrices.

    Returns:
        PEFT's wrapper around the model.
    """
    from peft import get_peft_model

    with without_peft_warning():
        wrapped = get_peft_model(model, lora_config(settings), autocast_adapter_dtype=False)
    if settings.fused:
        from palo.model.fused_lora import fuse_lora  # imports PEFT

        fuse_lora(wrapped, shared_dropout=settings.shared_dropout)
    model.projector.requires_grad_(True)
    return wrapped


def file_name(parameter: str) -> str:
    """Returns how an adapter's file names one of its parameters.

    Args:
        parameter: Its name in a model, such as X.lora_A.default.weight.
    """
    whole = parameter.replace(f".{_MAGNITUDE}.default.weight", f".{_MAGNITUDE}")
    return whole.replace(".default.", ".")


def adapter_scale(config: Mapping[str, Any], folder: Path, *, with_dora: bool = False) -> float:
    """Returns what the product of an adapter's two matrices is scaled by.

    Args:
        config: Values of its adapter_config.json.
        folder: Its folder, for the message.
        with_dora: Whether the caller also applies DoRA's lengths.

    Raises:
        MismatchError: If it is more than plain LoRA with one scale.
    """
    refused = ["rank_pattern", "alpha_pattern", "modules_to_save"]
    if not with_dora:
        refused.insert(0, "use_dora")
    unusual = [name for name in refused if config.get(name)]
    if config.get("bias", "none") != "none":
        unusual.append("bias")
    if unusual:
        raise MismatchError(
            f"the adapter {folder} is more than plain LoRA",
            seen=", ".join(unusual),
            fix="Merge it into the model instead.",
        )
    rank = config["r"]
    return float(config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank))
