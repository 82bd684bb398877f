"""Tries an attention implementation on a tiny model, before weights are loaded for minutes."""

from typing import Any, Literal

import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from palo.errors import ConfigError
from palo.model.attention import NAME, VARLEN, packing_arguments

_LENGTHS = (3, 5)
_WINDOW = 2
_WINDOWED = "sliding_attention"
# Two kernels add in another order: with 8 bits of mantissa a few units in the last place.
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def choose(
    dtype: torch.dtype, device: torch.device, head_width: int, *, windowed: bool = False
) -> tuple[Literal["palo_segments", "palo_varlen"], str | None]:
    """Returns the quickest implementation that runs on a device.

    Args:
        dtype: Of weights and activations.
        device: Where the model will be.
        head_width: Floats of an attention head (W).
        windowed: Whether some layers attend within a window.

    Returns:
        Its name, and why it isn't the quickest of all, where that was tried and failed.
    """
    if device.type != "cuda" or dtype == torch.float32:  # the kernel is made for neither
        return NAME, None
    try:
        probe(VARLEN, dtype, device, head_width, windowed=windowed)
    except ConfigError as error:
        return NAME, f"{error.fact}: {error.seen}; {NAME} is used, which is slower"
    return VARLEN, None


def has_windows(config: PreTrainedConfig) -> bool:
    """Returns whether some layers of a language model attend within a window.

    Args:
        config: Its configuration.
    """
    return _WINDOWED in (getattr(config, "layer_types", None) or ())


def probe(
    implementation: str,
    dtype: torch.dtype,
    device: torch.device,
    head_width: int,
    *,
    windowed: bool = False,
) -> None:
    """Runs a packed row forward and backward, and compares it with `NAME`, which runs everywhere.

    Args:
        implementation: Name of the attention implementation.
        dtype: Of weights and activations.
        device: Where the model will be.
        head_width: Floats of an attention head (W).
        windowed: Whether the layer attends within a window.

    Raises:
        ConfigError: If it doesn't run on this machine, or comes to other results.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _tiny_model(head_width, windowed=windowed).to(device, dtype)
        expected = _outcome(model, NAME, device)
        found = _outcome(model, implementation, device)
    except (ImportError, RuntimeError, ValueError, OSError) as error:
        raise ConfigError(
            f"attention {implementation} doesn't run here, with {dtype} on {device}",
            seen=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            fix=f"Take {NAME}, which runs everywhere.",
        ) from error
    difference = max(_difference(*pair) for pair in zip(found, expected, strict=True))
    if not difference <= _TOLERANCE[dtype]:  # NaN is a difference, too
        raise ConfigError(
            f"attention {implementation} computes something else here, with {dtype} on {device}",
            seen=f"a relative difference of {difference:.2g} from {NAME}",
            fix=f"Take {NAME}, and report it with the versions of torch and of the driver.",
        )


def _tiny_model(head_width: int, *, windowed: bool) -> Any:  # noqa: ANN401 - of transformers
    sizes: dict[str, Any] = {
        "vocab_size": 8,
        "hidden_size": 2 * head_width,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": head_width,
        "initializer_range": 0.5,  # scores that tell one key from another
    }
    if not windowed:
        return LlamaForCausalLM(LlamaConfig(**sizes))
    window = {"use_sliding_window": True, "sliding_window": _WINDOW, "layer_types": [_WINDOWED]}
    return Qwen3ForCausalLM(Qwen3Config(**sizes, **window))


def _outcome(
    model: Any,  # noqa: ANN401 - of transformers
    implementation: str,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Returns logits and the gradient of the queries' weights of one packed row, in float32."""
    lengths = torch.tensor(_LENGTHS)
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).int()
    positions = torch.cat([torch.arange(length) for length in _LENGTHS])[None].to(device)
    ids = torch.arange(sum(_LENGTHS))[None].to(device) % 8
    model.set_attn_implementation(implementation)
    model.zero_grad()
    logits = model(
        ids,
        position_ids=positions,
        use_cache=False,
        **packing_arguments(offsets, implementation, device),
    ).logits
    (logits.float() ** 2).sum().backward()
    gradient = model.model.layers[0].self_attn.q_proj.weight.grad
    assert gradient is not None
    return logits.detach().float(), gradient.float()


def _difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm().clamp_min(1e-9))
