"""Tries an attention implementation on a tiny model, before weights are loaded for minutes."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from palo.errors import ConfigError
from palo.model.attention import NAME, packing_arguments

_LENGTHS = (3, 5)


def probe(implementation: str, dtype: torch.dtype, device: torch.device, head_width: int) -> None:
    """Runs a packed row forward and backward.

    Args:
        implementation: Name of the attention implementation.
        dtype: Of weights and activations.
        device: Where the model will be.
        head_width: Floats of an attention head (W).

    Raises:
        ConfigError: If it doesn't run on this machine.
    """
    sizes = LlamaConfig(
        vocab_size=8,
        hidden_size=2 * head_width,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=head_width,
    )
    lengths = torch.tensor(_LENGTHS)
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]).int()
    positions = torch.cat([torch.arange(length) for length in _LENGTHS])[None].to(device)
    try:
        model = LlamaForCausalLM(sizes).to(device, dtype)
        model.set_attn_implementation(implementation)
        logits = model(
            torch.zeros_like(positions),
            position_ids=positions,
            use_cache=False,
            **packing_arguments(offsets, implementation, device),
        ).logits
        logits.sum().backward()
    except (ImportError, RuntimeError, ValueError, OSError) as error:
        raise ConfigError(
            f"attention {implementation} doesn't run here, with {dtype} on {device}",
            seen=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            fix=f"Take {NAME}, which runs everywhere.",
        ) from error
