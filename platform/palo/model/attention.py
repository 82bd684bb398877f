"""Attention for packed rows: every sample attends only to itself, without a mask.

Transformers' own sdpa path makes a dense L x L mask for a packed row and computes all of it. The
implementations registered here compute each sample's causal attention instead: `NAME` by one call
of sdpa for each run of equal lengths, `VARLEN` on a GPU by one call of PyTorch's own kernel for
variable lengths, and elsewhere as `NAME` does. Where FlashAttention is installed,
`flash_attention_2` takes the same arguments. Layers with a window attend to a token and as many
before it as the window has places, less one.
"""

from itertools import groupby
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME: Final = "palo_segments"
VARLEN: Final = "palo_varlen"
AUTO: Final = "auto"
"""The quickest that runs on the device: `attention_probe.choose` says which."""


def packing_arguments(
    cu_seq_lens: Tensor, implementation: str, device: torch.device
) -> dict[str, Any]:
    """Returns the keyword arguments that give a language model the bounds of the samples.

    Args:
        cu_seq_lens: (S+1,) int32, 0 and the running total of the samples' lengths in tokens; on the
            CPU, so that no number in it waits for the device.
        implementation: Name of the language model's attention implementation.
        device: Device of the language model.

    Raises:
        ValueError: If the implementation can't tell packed samples apart.
    """
    cu_seq_lens = cu_seq_lens.cpu()
    if implementation == NAME or (implementation == VARLEN and device.type != "cuda"):
        # The lengths are needed as numbers in every layer.
        return {"cu_seq_lens_q": cu_seq_lens}
    if implementation != VARLEN and "flash" not in implementation:
        raise ValueError(f"attention {implementation!r} takes no packed rows: use {NAME!r}")
    longest = int(cu_seq_lens.diff().max())
    offsets = cu_seq_lens.to(device, torch.int32, non_blocking=True)
    return {
        "cu_seq_lens_q": offsets,
        "cu_seq_lens_k": offsets,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def segments_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    cu_seq_lens_q: Tensor | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,  # noqa: ANN401 - what transformers hands to every attention function
) -> tuple[Tensor, None]:
    """Attends causally within each sample of a packed row; any other row goes to sdpa.

    Args:
        module: The attention module that calls.
        query: (B, heads, L, width of a head) floats; B is 1 for a packed row.
        key: As the query, with the key's number of heads; longer than L with a cache.
        value: As the key.
        attention_mask: (B, 1, L, length of the key) bool, or None.
        cu_seq_lens_q: (S+1,) int32 on the CPU for a packed row, else None.
        sliding_window: Tokens that each one attends to, itself included; None for all before it.
            The mask of a row that isn't packed says it already.
        **kwargs: Passed on to sdpa.

    Returns:
        (B, L, heads, width of a head) floats, and no attention weights.

    Raises:
        ValueError: If a row is packed but the ends of its samples are missing, or the lengths don't
            add up to the row.
    """
    if cu_seq_lens_q is None:
        if attention_mask is not None and attention_mask.numel() == 0:
            raise ValueError(
                "position_ids restart within a row, but cu_seq_lens_q is missing: without it the "
                "samples of the row would attend to one another"
            )
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    lengths = cu_seq_lens_q.diff().tolist()
    if query.shape[0] != 1 or not sum(lengths) == query.shape[2] == key.shape[2]:
        raise ValueError(
            f"a packed batch is one row without a cache: cu_seq_lens_q counts {sum(lengths)} "
            f"tokens, queries are {tuple(query.shape)} and keys {tuple(key.shape)}"
        )
    runs = [(length, len(list(group))) for length, group in groupby(lengths)]
    # Splitting keeps the backward pass linear; slices would each get a gradient as long as the row.
    split = [
        tensor.split([n * count for n, count in runs], dim=2) for tensor in (query, key, value)
    ]
    parts = []
    for (length, count), *tensors in zip(runs, *split, strict=True):
        # Neighbours of one length become a batch of `count` rows.
        batch = [t.unflatten(2, (count, length)).squeeze(0).transpose(0, 1) for t in tensors]
        mask = None
        if sliding_window is not None and sliding_window < length:
            mask = window_mask(length, sliding_window, query.device)
        out, _ = sdpa_attention_forward(module, *batch, mask, **kwargs)
        parts.append(out.flatten(0, 1))
    return torch.cat(parts).unsqueeze(0), None


def window_mask(length: int, window: int, device: torch.device) -> Tensor:
    """Returns which tokens of a sample each of its tokens attends to, in a layer with a window.

    Args:
        length: Tokens of the sample (n).
        window: Tokens that each one attends to, itself included.
        device: Where the mask is wanted.

    Returns:
        (1, 1, n, n) bool.
    """
    allowed = torch.ones(length, length, dtype=torch.bool, device=device).tril_()
    return allowed.triu_(1 - window)[None, None]


def varlen_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,  # noqa: ANN401 - what transformers hands to every attention function
) -> tuple[Tensor, None]:
    """Attends causally within each sample of a packed row, on a GPU by one kernel for all.

    Args:
        module: The attention module that calls.
        query: (B, heads, L, width of a head) bfloat16 or float16 on a GPU; B is 1 for a packed row.
        key: As the query, with the key's number of heads.
        value: As the key.
        attention_mask: As `segments_attention`.
        cu_seq_lens_q: (S+1,) int32 for a packed row, on the device of the query, else None.
        max_length_q: Tokens of the longest sample; None off the GPU.
        scaling: Factor of the scores; by default 1 / sqrt(width of a head).
        sliding_window: As `segments_attention`.
        **kwargs: Passed on.

    Returns:
        (B, L, heads, width of a head) floats, and no attention weights.

    Raises:
        ValueError: As `segments_attention`.
    """
    if cu_seq_lens_q is None or max_length_q is None:
        return segments_attention(
            module,
            query,
            key,
            value,
            attention_mask,
            cu_seq_lens_q=cu_seq_lens_q,
            scaling=scaling,
            sliding_window=sliding_window,
            **kwargs,
        )
    from torch.nn.attention.varlen import varlen_attn

    out: Any = varlen_attn(
        query.squeeze(0).transpose(0, 1),
        key.squeeze(0).transpose(0, 1),
        value.squeeze(0).transpose(0, 1),
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        # Causal: none after a token, and all before it or those in the window.
        window_size=(-1 if sliding_window is None else sliding_window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out.unsqueeze(0), None


def segments_mask(*, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor | None:  # noqa: ANN401
    """Builds the mask of sdpa, except for a packed row: that gets an empty one.

    The empty mask marks the row as packed, so that `segments_attention` can insist on the lengths.

    Args:
        attention_mask: (B, L) bool, false for padding, or None.
        **kwargs: What transformers hands to every mask function.
    """
    packed = not kwargs.get("allow_is_causal_skip", True)
    causal = not kwargs.get("allow_is_bidirectional_skip", False)
    if attention_mask is None and packed and causal and kwargs["q_length"] == kwargs["kv_length"]:
        return torch.empty(0, dtype=torch.bool)
    mask: Tensor | None = sdpa_mask(attention_mask=attention_mask, **kwargs)
    return mask


def register() -> None:
    """Makes both implementations known to transformers."""
    for name, function in ((NAME, segments_attention), (VARLEN, varlen_attention)):
        AttentionInterface.register(name, function)
        AttentionMaskInterface.register(name, segments_mask)


register()
