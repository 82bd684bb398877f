"""Whether packed samples see their neighbours: losses and gradients, packed and alone.

It runs in the environments of other trainers, too, and needs torch, transformers and nothing of
ours. What a program prints is a line for each way of packing, `RESULT` and JSON.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import cosine_similarity, cross_entropy
from transformers import AutoModelForCausalLM, LlamaConfig

_LENGTHS = (37, 21, 21, 64, 9, 40)
_VOCABULARY = 512
_FIRST_WORD = 5
_IGNORED = -100

Sample = tuple[list[int], list[int]]
"""Ids, and labels with -100 where nothing is learned."""


def samples(seed: int) -> list[Sample]:
    """Returns samples of random ids, whose second half is learned.

    Args:
        seed: Seed of the ids.
    """
    generator = torch.Generator().manual_seed(seed)
    made = []
    for length in _LENGTHS:
        ids = torch.randint(_FIRST_WORD, _VOCABULARY, (length,), generator=generator).tolist()
        made.append((ids, [_IGNORED] * (length // 2) + ids[length // 2 :]))
    return made


def tiny_model(seed: int, attention: str) -> Any:  # noqa: ANN401 - a LlamaForCausalLM
    """Returns a small Llama whose weights are large enough for a neighbour to be noticed.

    Args:
        seed: Seed of the weights.
        attention: Name of the attention implementation.
    """
    torch.manual_seed(seed)
    sizes = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    model = AutoModelForCausalLM.from_config(sizes, attn_implementation=attention)
    return model.float().train()


def tell(
    name: str,
    model: Any,  # noqa: ANN401 - a LlamaForCausalLM
    alone: Sequence[Sample],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Prints how much the losses of samples and the gradients of blocks differ when packed.

    Args:
        name: Name of the way of packing.
        model: The model.
        alone: The samples.
        rows: The model's arguments for each packed batch of one row.
    """
    single = torch.stack(
        [_loss(_logits(model, {"input_ids": torch.tensor([s[0]])}), s) for s in alone]
    )
    expected = _gradients(model, single)
    logits = [_logits(model, row) for row in rows]
    ids = [row["input_ids"][0].tolist() for row in rows]
    packed = torch.stack([_loss(_part(logits, ids, sample[0]), sample) for sample in alone])
    got = _gradients(model, packed)
    cosines = [
        float(cosine_similarity(one, other, dim=0))
        for one, other in zip(expected, got, strict=True)
    ]
    result = {
        "name": name,
        "loss_difference": float((packed - single).detach().abs().max()),
        "gradient_gap": max(0.0, 1 - min(cosines)),
    }
    sys.stdout.write(f"RESULT {json.dumps(result)}\n")


def _logits(model: Any, arguments: Mapping[str, Any]) -> torch.Tensor:  # noqa: ANN401
    inputs = {name: value for name, value in arguments.items() if name != "labels"}
    logits: torch.Tensor = model(**inputs, use_cache=False).logits[0]
    return logits


def _part(logits: list[torch.Tensor], ids: list[list[int]], sample: list[int]) -> torch.Tensor:
    """Returns a sample's logits, found by its ids, which packers may have moved."""
    for row, words in zip(logits, ids, strict=True):
        for start in range(len(words) - len(sample) + 1):
            if words[start : start + len(sample)] == sample:
                return row[start : start + len(sample)]
    raise ValueError("a sample isn't whole in any packed row")


def _loss(logits: torch.Tensor, sample: Sample) -> torch.Tensor:
    labels = torch.tensor(sample[1])
    return cross_entropy(logits[:-1], labels[1:], ignore_index=_IGNORED)


def _gradients(model: Any, losses: torch.Tensor) -> list[torch.Tensor]:  # noqa: ANN401
    """Returns the gradient of the mean loss for each block, float64."""
    model.zero_grad()
    losses.mean().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    return [
        torch.cat([p.grad.flatten() for p in block.parameters()]).double()
        for block in model.model.layers
    ]
