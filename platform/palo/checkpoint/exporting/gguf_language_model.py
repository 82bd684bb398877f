"""The language model as llama.cpp's architecture `llama`: its metadata, names and order of rows."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from torch import Tensor
from transformers import LlamaConfig

from palo.checkpoint.exporting.gguf_file import GgufTensor, GgufType, kind_of
from palo.errors import MismatchError

_Change = Callable[[Tensor], Tensor] | None

_PREFIX = "language_model."
_SUFFIXES = (".weight", ".bias")
_ROPE = ("default", "linear")


def language_model_faults(config: LlamaConfig) -> Iterator[str]:
    """Yields what of a language model llama.cpp's architecture `llama` can't express here.

    Args:
        config: The language model's configuration.
    """
    if config.hidden_act != "silu":
        yield f"hidden_act {config.hidden_act}, which must be silu"
    if (kind := _rope(config).get("rope_type", "default")) not in _ROPE:
        yield f"rope_type {kind}, which must be one of {', '.join(_ROPE)}"


def add_language_model_fields(writer: Any, config: LlamaConfig) -> None:  # noqa: ANN401
    """Adds a language model's sizes to a GGUFWriter.

    Args:
        writer: The GGUFWriter.
        config: The language model's configuration.
    """
    from gguf import RopeScalingType

    rope = _rope(config)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10_000.0)))
    writer.add_rope_dimension_count(config.head_dim)
    if config.head_dim * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if rope.get("rope_type") == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))


def language_model_tensors(
    config: LlamaConfig, shapes: Mapping[str, tuple[int, ...]], dtype: GgufType
) -> list[GgufTensor]:
    """Returns the tensors of a language model's GGUF file.

    Args:
        config: The language model's configuration.
        shapes: Shapes of the model's weights, by canonical name.
        dtype: Type of the matrices.

    Raises:
        MismatchError: If a weight has no place there.
    """
    import gguf

    places = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    found, strange = [], []
    for source, shape in sorted(shapes.items()):
        if not source.startswith(_PREFIX):
            continue
        own = source.removeprefix(_PREFIX)
        if own == "lm_head.weight" and config.tie_word_embeddings:
            continue  # llama.cpp takes the embeddings
        name = places.get_name(own, try_suffixes=_SUFFIXES)
        if name is None:
            strange.append(own)
            continue
        change, undo = _changes(own, config)
        found.append(GgufTensor(name, source, shape, kind_of(dtype, shape), change, undo))
    if strange:
        raise MismatchError(
            "the language model has weights that a GGUF file has no place for",
            seen=", ".join(strange[:3]),
            fix="Export it in another format.",
        )
    return found


def interleaved(weight: Tensor, num_heads: int) -> Tensor:
    """Puts the rows that a rotation pairs side by side, as GGUF has them.

    Hugging Face's rows of a head are half a head apart.

    Args:
        weight: (heads * width, ...) matrix or bias of the queries or keys.
        num_heads: Heads that it has.

    Returns:
        The same rows in another order.
    """
    halves = weight.reshape(num_heads, 2, -1, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def half_apart(weight: Tensor, num_heads: int) -> Tensor:
    """Undoes `interleaved`.

    Args:
        weight: (heads * width, ...) matrix or bias of the queries or keys, as GGUF has it.
        num_heads: Heads that it has.
    """
    pairs = weight.reshape(num_heads, -1, 2, *weight.shape[1:])
    return pairs.transpose(1, 2).reshape(weight.shape)


def _changes(name: str, config: LlamaConfig) -> tuple[_Change, _Change]:
    heads = {".q_proj.": config.num_attention_heads, ".k_proj.": config.num_key_value_heads}
    for projection, num_heads in heads.items():
        if projection in name:
            return (
                partial(interleaved, num_heads=num_heads),
                partial(half_apart, num_heads=num_heads),
            )
    return None, None


def _rope(config: LlamaConfig) -> Mapping[str, Any]:
    found: Mapping[str, Any] = config.rope_parameters or {}
    return found
