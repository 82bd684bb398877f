"""Whether tensors are those that a configuration needs, by names and shapes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from palo.checkpoint.importing.layouts import NAMED_TOWER, PLAIN_TOWER, KeyMap
from palo.checkpoint.importing.places import TensorPlace
from palo.checkpoint.importing.recognise import Foreign
from palo.errors import MismatchError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from palo.model.projectors import ProjectorSizes

Shapes = Mapping[str, tuple[int, ...]]

_FLOATS = ("F64", "F32", "F16", "BF16")
_NAMED_TOWERS = ("clip_vision_model", "siglip_vision_model")
"""Types of towers whose folders begin all names with vision_model."""
_HEAD = "language_model.lm_head.weight"
_MOST_NAMED = 3


def tower_layout(config: "PreTrainedConfig") -> KeyMap:
    """Returns the names in the folder of a tower.

    Args:
        config: Its configuration.
    """
    return NAMED_TOWER if config.model_type in _NAMED_TOWERS else PLAIN_TOWER


def tower_places(source: Foreign) -> dict[str, TensorPlace]:
    """Returns the places of a tower's tensors, by canonical name; of CLIP, its vision half.

    Args:
        source: A folder with a tower.

    Raises:
        MismatchError: If it holds none, or something besides it.
    """
    from palo.model.assemble import is_spare_weight

    if source.kind == "model":
        found = {key: one for key, one in source.places.items() if key.startswith("vision_tower.")}
    else:
        found = {key: one for key, one in source.places.items() if not is_spare_weight(key)}
        named = any(key.startswith("vision_model.") for key in found)
        layout = NAMED_TOWER if named else PLAIN_TOWER
        if strange := layout.unknown(found):
            raise MismatchError(
                f"{source.path} holds something besides a vision tower",
                seen=", ".join(sorted(strange)[:_MOST_NAMED]),
                fix="Name the folder of a tower such as CLIP's.",
            )
        found = {str(layout.to_canonical(key)): one for key, one in found.items()}
    if not found or source.kind not in ("tower", "model"):
        raise MismatchError(
            f"{source.path} holds no vision tower",
            seen=source.title,
            fix="Name the folder of a tower such as CLIP's.",
        )
    return found


def projector_type_of(places: Mapping[str, TensorPlace], path: Path) -> str:
    """Returns the type of a projector by the names of its tensors.

    Args:
        places: Places by canonical name.
        path: Where they are from, for the message.

    Raises:
        MismatchError: If it is of no type that ours can be.
    """
    names = {name.removeprefix("projector.") for name in places}
    linears = sorted(int(name.split(".")[0]) for name in names if name[:1].isdecimal())
    if any(name.startswith("mb_block.") for name in names):
        return "ldp"
    depth = len(set(linears))
    if linears and set(linears) == set(range(0, 2 * depth, 2)):
        return f"mlp{depth}x_gelu"
    raise MismatchError(
        f"the projector of {path} is of an unknown type",
        seen=", ".join(sorted(names)[:_MOST_NAMED]) or "no tensors",
        fix="Known are mlp2x_gelu, of any depth, and MobileVLM's ldpnet.",
    )


def require_weights(places: Mapping[str, TensorPlace]) -> None:
    """Checks that tensors are numbers to calculate with.

    Args:
        places: Their places by canonical name.

    Raises:
        MismatchError: If some are whole numbers, as quantized weights are.
    """
    if strange := [
        f"{name} of {one.dtype}" for name, one in places.items() if one.dtype not in _FLOATS
    ]:
        raise MismatchError(
            "some weights are no floating point numbers",
            seen=f"{len(strange):,}: {', '.join(strange[:_MOST_NAMED])}",
            fix="Save the model without quantization: it packs the numbers in a way of its own.",
        )


def require_parts_fit(
    places: Mapping[str, TensorPlace],
    tower: "PreTrainedConfig",
    language_model: "PreTrainedConfig",
    projector_type: str,
    path: Path,
) -> None:
    """Checks that all tensors of a model are there, of the right shapes, and no others.

    Args:
        places: Places by canonical name.
        tower: Configuration of the tower.
        language_model: Configuration of the language model.
        projector_type: Type of the projector.
        path: The checkpoint, for messages.

    Raises:
        MismatchError: If one isn't; it names them.
    """
    shapes = {name: place.shape for name, place in places.items()}
    require_tower(places, tower, path)
    require_shapes(
        shapes,
        language_shapes(language_model),
        "language_model.",
        path,
        optional=(_HEAD,) if language_model.tie_word_embeddings else (),
    )
    sizes = SimpleNamespace(
        projector_type=projector_type,
        vision_hidden_size=tower.hidden_size,
        text_hidden_size=language_model.hidden_size,
    )
    require_shapes(shapes, projector_shapes(sizes), "projector.", path)


def require_tower(
    places: Mapping[str, TensorPlace], config: "PreTrainedConfig", path: Path
) -> None:
    """Checks the tensors of a tower. Of other kinds than CLIP's, whoever loads it checks them.

    Args:
        places: Places by canonical name.
        config: Configuration of the tower.
        path: The checkpoint, for the message.

    Raises:
        MismatchError: If tensors are missing, unknown or of another shape; it names them.
    """
    if config.model_type in _NAMED_TOWERS:
        shapes = {name: place.shape for name, place in places.items()}
        require_shapes(shapes, tower_shapes(config), "vision_tower.", path)


def tower_shapes(config: "PreTrainedConfig") -> Shapes:
    """Returns the shapes of a tower's tensors, by canonical name.

    Args:
        config: Its configuration.
    """
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        weights = AutoModel.from_config(config).state_dict()
    return {
        f"vision_tower.{name.removeprefix('vision_model.')}": tuple(one.shape)
        for name, one in weights.items()
    }


def language_shapes(config: "PreTrainedConfig") -> Shapes:
    """Returns the shapes of a language model's tensors, by canonical name.

    Args:
        config: Its configuration.
    """
    import torch

    from palo.model.backbones import language_model_class

    with torch.device("meta"):
        weights = language_model_class(config)(config).state_dict()
    return {f"language_model.{name}": tuple(one.shape) for name, one in weights.items()}


def projector_shapes(sizes: "ProjectorSizes") -> Shapes:
    """Returns the shapes of a projector's tensors, by canonical name.

    Args:
        sizes: Its type, and the widths of tower and language model.
    """
    import torch

    from palo.model.projectors import build_projector

    with torch.device("meta"):
        weights = build_projector(sizes).state_dict()
    return {f"projector.{name}": tuple(one.shape) for name, one in weights.items()}


def require_shapes(
    found: Shapes, expected: Shapes, prefix: str, path: Path, *, optional: tuple[str, ...] = ()
) -> None:
    """Checks the tensors of one part.

    Args:
        found: Shapes of a model's tensors by canonical name.
        expected: What those of the part must be.
        prefix: What the part's names begin with.
        path: The checkpoint, for the message.
        optional: Names that may be missing.

    Raises:
        MismatchError: If tensors are missing, unknown or of another shape; it names them.
    """
    own = {name: shape for name, shape in found.items() if name.startswith(prefix)}
    if faults := list(_faults(own, expected, optional)):
        raise MismatchError(
            f"the {prefix[:-1].replace('_', ' ')} of {path} is not the one that it needs",
            seen=f"{len(faults):,} faults: {'; '.join(faults[:_MOST_NAMED])}",
            fix="Its tensors must be those of its configuration, and of the parts that it is "
            "joined to.",
        )


def _faults(found: Shapes, expected: Shapes, optional: tuple[str, ...]) -> Iterator[str]:
    for name in sorted(expected):
        if name not in found and name not in optional:
            yield f"missing {name}"
        elif name in found and found[name] != expected[name]:
            yield f"{name} is {found[name]}, not {expected[name]}"
    yield from (f"unknown {name}" for name in sorted(found.keys() - expected.keys()))
