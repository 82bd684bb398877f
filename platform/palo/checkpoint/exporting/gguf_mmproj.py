"""Tower and projector as llama.cpp's mmproj, of its architecture `clip`.

llama.cpp prepares images in one way only for these models: it scales to the tower's square with
Pillow's bicubic filter and fills the rest with CLIP's mean colour. A model that was trained with
another preprocessing is refused.

Since May 2025 llama.cpp appends the tower's class token to the patches, but still gives row 0 of
the position embeddings to what comes first, and hands on all rows but the first. With the class
token's position last, every feature is right: the first patch's is left out, all others stand one
place early, and the class token's stands at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from palo.checkpoint.exporting.gguf_file import GgufTensor, GgufType, kind_of
from palo.errors import MismatchError
from palo.model.config import PaloConfig

ClassRow = Literal["first", "last"]

_PREFIX, _PROJECTOR = "vision_tower.", "projector."
_LIBRARYS_PREFIX = "vision_tower.vision_model."  # as the gguf package knows the tower's names
_SUFFIXES = (".weight", ".bias")
_POSITIONS, _CLASS = "embeddings.position_embedding.weight", "embeddings.class_embedding"
_PROJECTOR_TYPES = {"mlp2x_gelu": ("mlp", "mm."), "ldp": ("ldp", "mm.model.")}
_ACTIVATIONS = ("quick_gelu", "gelu")
_BICUBIC = 3
_PAD_COLOUR = (122, 116, 104)
_LDP_SIDE = 24
_LDP_EPS = 1e-5


def mmproj_faults(config: PaloConfig, preprocessing: Mapping[str, Any]) -> Iterator[str]:
    """Yields what of a model's tower, projector and preprocessing llama.cpp doesn't do.

    Args:
        config: The model's configuration.
        preprocessing: What happens to an image, as `model.json` has it.
    """
    tower = config.vision_config
    if tower.model_type != "clip_vision_model":
        yield f"a tower of type {tower.model_type}, which must be clip_vision_model"
        return
    if tower.hidden_act not in _ACTIVATIONS:
        yield f"the tower's hidden_act {tower.hidden_act}, which must be quick_gelu or gelu"
    if config.input_image_size != tower.image_size:
        yield f"images of {config.input_image_size} pixels for a tower of {tower.image_size}"
    if config.feature_layer_index < 1:
        yield "features of the tower's input"
    if tower.intermediate_size == tower.hidden_size:
        yield "a tower whose intermediate_size is its hidden_size: llama.cpp can't tell its layers"
    yield from _projector_faults(config)
    yield from _preprocessing_faults(config, preprocessing)


def _projector_faults(config: PaloConfig) -> Iterator[str]:
    if config.projector_type not in _PROJECTOR_TYPES:
        yield f"projector_type {config.projector_type}, which must be mlp2x_gelu or ldp"
    if config.projector_type == "ldp":
        if config.num_patches != _LDP_SIDE**2:
            yield f"ldp on {config.num_patches} patches, which must be 576"
        if config.vision_config.layer_norm_eps != _LDP_EPS:
            yield f"ldp on a tower whose layer_norm_eps is not {_LDP_EPS}"


def _preprocessing_faults(config: PaloConfig, values: Mapping[str, Any]) -> Iterator[str]:
    if values["aspect"] != "pad":
        yield f"images that are prepared with {values['aspect']}, not pad"
    if values["resample"] != _BICUBIC:
        yield f"images that are scaled with Pillow's filter {values['resample']}, not {_BICUBIC}"
    sides = values["image_size"], values["shortest_edge"]
    if set(sides) != {config.input_image_size}:
        yield f"images of {sides} pixels, not {config.input_image_size}"
    if tuple(int(value * 255) for value in values["mean"]) != _PAD_COLOUR:
        yield f"images that are padded with the mean colour {values['mean']}, not CLIP's"


def add_mmproj_fields(
    writer: Any,  # noqa: ANN401 - untyped package
    config: PaloConfig,
    preprocessing: Mapping[str, Any],
    class_row: ClassRow,
) -> None:
    """Adds the sizes of tower and projector, and the preprocessing, to a GGUFWriter.

    Args:
        writer: The GGUFWriter.
        config: The model's configuration.
        preprocessing: What happens to an image, as `model.json` has it.
        class_row: Which row of the position embeddings is the class token's.
    """
    from gguf import GGUFType

    tower = config.vision_config
    writer.add_type(GGUFType.MMPROJ)
    writer.add_clip_has_vision_encoder(True)
    # Readers before 2025 ask for these two.
    writer.add_bool("clip.has_text_encoder", False)
    writer.add_bool("clip.has_llava_projector", True)
    writer.add_clip_projector_type(_PROJECTOR_TYPES[config.projector_type][0])
    writer.add_vision_use_gelu(tower.hidden_act == "gelu")
    writer.add_vision_image_size(config.input_image_size)
    writer.add_vision_patch_size(tower.patch_size)
    writer.add_vision_embedding_length(tower.hidden_size)
    writer.add_vision_feed_forward_length(tower.intermediate_size)
    writer.add_vision_head_count(tower.num_attention_heads)
    writer.add_vision_attention_layernorm_eps(tower.layer_norm_eps)
    writer.add_vision_projection_dim(config.text_hidden_size)
    writer.add_vision_image_mean([float(value) for value in preprocessing["mean"]])
    writer.add_vision_image_std([float(value) for value in preprocessing["std"]])
    # Without the second, llama.cpp would leave out one more layer.
    writer.add_vision_block_count(config.feature_layer_index)
    writer.add_array("clip.vision.feature_layer", [config.feature_layer_index])
    writer.add_string("palo.class_row", class_row)


def mmproj_tensors(
    config: PaloConfig,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: GgufType,
    class_row: ClassRow,
) -> list[GgufTensor]:
    """Returns the tensors of tower and projector in an mmproj file.

    Layers of the tower after the feature are left out.

    Args:
        config: The model's configuration.
        shapes: Shapes of the model's weights, by canonical name.
        dtype: Type of the matrices.
        class_row: Which row of the position embeddings is the class token's.

    Raises:
        MismatchError: If a weight has no place there.
    """
    tensors = [
        *_tower_tensors(config.vision_config, config.feature_layer_index, shapes, dtype),
        *_projector_tensors(config.projector_type, shapes, dtype),
    ]
    if class_row == "first":
        return tensors
    return [
        GgufTensor(one.name, one.source, one.shape, one.kind, _class_row_last, _class_row_first)
        if one.source == _PREFIX + _POSITIONS
        else one
        for one in tensors
    ]


def _tower_tensors(
    tower: PreTrainedConfig,
    num_layers: int,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: GgufType,
) -> list[GgufTensor]:
    import gguf

    places = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, tower.num_hidden_layers)
    unused = tuple(f"encoder.layers.{i}." for i in range(num_layers, tower.num_hidden_layers))
    found, strange = [], []
    for source, shape in sorted(shapes.items()):
        own = source.removeprefix(_PREFIX)
        if own == source or own.startswith((*unused, "post_layernorm.")):
            continue
        name = places.get_name(_LIBRARYS_PREFIX + own, try_suffixes=_SUFFIXES)
        if name is None:
            strange.append(own)
            continue
        # Rows are looked up, and added, in float32.
        kind = "F32" if own in (_POSITIONS, _CLASS) else kind_of(dtype, shape)
        if len(shape) == 4 and dtype == "float16":
            kind = "F16"
        found.append(GgufTensor(name, source, shape, kind))
    _require_places(strange)
    return found


def _projector_tensors(
    projector_type: str, shapes: Mapping[str, tuple[int, ...]], dtype: GgufType
) -> list[GgufTensor]:
    prefix = _PROJECTOR_TYPES[projector_type][1]
    found = []
    for source, shape in sorted(shapes.items()):
        if not source.startswith(_PROJECTOR):
            continue
        name = prefix + source.removeprefix(_PROJECTOR)
        if shape[2:] == (1, 1):  # a convolution of single pixels is a matrix
            shape = shape[:2]
        # llama.cpp unfolds images in float16 before a depthwise convolution.
        kind = "F16" if len(shape) == 4 else kind_of(dtype, shape)
        found.append(GgufTensor(name, source, shape, kind))
    return found


def _require_places(strange: Sequence[str]) -> None:
    if strange:
        raise MismatchError(
            "the tower has weights that a GGUF file has no place for",
            seen=", ".join(strange[:3]),
            fix="Export it in another format.",
        )


def _class_row_last(positions: Tensor) -> Tensor:
    return torch.roll(positions, -1, dims=0)


def _class_row_first(positions: Tensor) -> Tensor:
    return torch.roll(positions, 1, dims=0)
