"""What the planner knows of a model: its sizes, and the sizes of its parameters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from palo.model.backbones import backbone_of
from palo.model.config import PaloConfig
from palo.train.stages import StageConfig

_DEPTH = re.compile(r"mlp(\d+)x_gelu")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShapes:
    """Sizes of a model that its activations and operations follow from.

    Attributes:
        hidden: Width of the language model.
        intermediate: Width of its MLP.
        layers: Its blocks.
        query_width: Heads times the width of a head.
        key_width: Heads of keys times the width of a head.
        heads: Heads of queries.
        vocabulary: Its tokens.
        patches: Patches of an image.
        vision_width: Width of the tower's features.
        tokens_per_image: Tokens that the projector makes of an image.
        projector_depth: Linear layers of an MLP projector; 0 for `ldp`.
        image_side: Side of an image in pixels.
        norms: Norms of the hidden size in a block.
        normed_heads: Whether queries and keys are normalized.
    """

    hidden: int
    intermediate: int
    layers: int
    query_width: int
    key_width: int
    heads: int
    vocabulary: int
    patches: int
    vision_width: int
    tokens_per_image: int
    projector_depth: int
    image_side: int
    norms: int = 2
    normed_heads: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterCounts:
    """Numbers of parameters of a model as a stage trains it.

    Attributes:
        tower: Of the image tower, as far as it runs or not.
        projector: Of the projector.
        language: Of the language model without adapters.
        blocks: Of the linear layers in its blocks, which a 4-bit base would shrink.
        lora: Of the adapter's matrices.
        trained: That learn.
        trained_language: Those of them in the language model or its adapter.
        whole: In tensors that ZeRO-3 leaves whole on every worker.
        largest: Of the largest tensor or, with `whole_blocks`, of the largest block.
        total: All of them, adapters included.
    """

    tower: int
    projector: int
    language: int
    blocks: int
    lora: int
    trained: int
    trained_language: int
    whole: int
    largest: int
    total: int


def shapes_of(config: PaloConfig) -> ModelShapes:
    """Returns the sizes of a model.

    Args:
        config: Its configuration.
    """
    text = config.text_config
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    depth = _DEPTH.fullmatch(config.projector_type)
    backbone = backbone_of(text)
    return ModelShapes(
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        layers=text.num_hidden_layers,
        query_width=text.num_attention_heads * head,
        key_width=text.num_key_value_heads * head,
        heads=text.num_attention_heads,
        vocabulary=text.vocab_size,
        patches=config.num_patches,
        vision_width=config.vision_hidden_size,
        tokens_per_image=config.tokens_per_image,
        projector_depth=int(depth[1]) if depth else 0,
        image_side=config.input_image_size,
        norms=backbone.norms,
        normed_heads=backbone.normed_heads,
    )


def count_parameters(config: PaloConfig, stage: StageConfig) -> ParameterCounts:
    """Counts parameters in a model without weights, built as a worker builds it.

    Args:
        config: The model's configuration.
        stage: The stage, which adds an adapter and says what learns.
    """
    import torch

    from palo.model import PaloForConditionalGeneration
    from palo.model.lora import attach_lora
    from palo.model.new_token_names import FIRST_NEW_ID
    from palo.model.new_tokens import give_new_rows
    from palo.train.engine import canonical_name, choose_trainable

    with torch.device("meta"):
        model = PaloForConditionalGeneration(config)
        first_new = getattr(config.text_config, FIRST_NEW_ID, None)
        if stage.lora and stage.train_new_tokens and first_new is not None:
            give_new_rows(model.language_model, first_new)
        wrapped = attach_lora(model, stage.lora) if stage.lora else model
    choose_trainable(wrapped, stage.trains, projector=stage.train_projector)
    found = [
        (canonical_name(name).replace(".base_layer", ""), p.numel(), p.ndim, p.requires_grad)
        for name, p in wrapped.named_parameters()
    ]

    def total(chosen: Iterable[bool]) -> int:
        return sum(count for (_, count, _, _), one in zip(found, chosen, strict=True) if one)

    language = [name.startswith("language_model.") for name, *_ in found]
    adapter = [".lora_" in name for name, *_ in found]
    matrix = [".model.layers." in name and ndim > 1 for name, _, ndim, _ in found]
    largest = max(count for _, count, _, _ in found)
    if stage.zero.whole_blocks:
        largest = max(largest, total(".layers.0." in name for name, *_ in found))
    return ParameterCounts(
        tower=total(name.startswith("vision_tower.") for name, *_ in found),
        projector=total(name.startswith("projector.") for name, *_ in found),
        language=total(a and not b for a, b in zip(language, adapter, strict=True)),
        blocks=total(a and b and not c for a, b, c in zip(language, matrix, adapter, strict=True)),
        lora=total(a and b for a, b in zip(adapter, matrix, strict=True)),
        trained=total(learns for *_, learns in found),
        trained_language=total(
            a and learns for a, (*_, learns) in zip(language, found, strict=True)
        ),
        whole=total(count < stage.zero.persistence_threshold for _, count, _, _ in found),
        largest=largest,
        total=total(True for _ in found),
    )
