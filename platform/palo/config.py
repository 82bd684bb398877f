"""Configurations: checking, writing, reading and fingerprinting them.

A configuration is a tree of frozen, keyword-only dataclasses. A dataclass that can be wrong has a
method `faults()` that yields one clause for each fault; `check` collects those of the whole tree.
"""

import dataclasses
import hashlib
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from palo import storage
from palo.errors import ConfigError

T = TypeVar("T")

_SHOWN = 200


def check(config: object) -> None:
    """Checks a configuration with all that is nested in it.

    Args:
        config: The configuration.

    Raises:
        ConfigError: If there are faults; it lists each after its path.
    """
    faults = list(_walk(config, ""))
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(
            f"{type(config).__name__} has {count}",
            seen="; ".join(faults),
            fix="Change them on the command line or in the recipe.",
        )


def _walk(node: object, path: str) -> Iterator[str]:
    if isinstance(node, tuple):
        for index, item in enumerate(node):
            yield from _walk(item, f"{path}{index}.")
    if not dataclasses.is_dataclass(node):
        return
    own_faults: Callable[[], Iterator[str]] | None = getattr(node, "faults", None)
    if own_faults is not None:
        yield from (f"{path}{fault}" for fault in own_faults())
    for field in dataclasses.fields(node):
        step = "" if _is_unnamed(field) else f"{field.name}."
        yield from _walk(getattr(node, field.name), f"{path}{step}")


def _is_unnamed(field: "dataclasses.Field[Any]") -> bool:
    """Returns whether the flags of what is nested in a field don't begin with the field's name."""
    return any(getattr(one, "name", None) == "" for one in get_args(field.type)[1:])


def to_dict(config: object) -> Any:  # noqa: ANN401 - JSON values
    """Returns the tree as JSON values: dataclasses as objects, tuples as arrays, paths as text.

    Numbers of float fields are written as floats, so that 64 and 64.0 have one fingerprint.

    Args:
        config: A configuration, or any tree of dataclasses, mappings, sequences and JSON values.
    """
    if dataclasses.is_dataclass(config):
        return {
            field.name: to_dict(_as_declared(getattr(config, field.name), field.type))
            for field in dataclasses.fields(config)
        }
    if isinstance(config, Mapping):
        return {str(key): to_dict(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_dict(value) for value in config]
    return str(config) if isinstance(config, Path) else config


def _as_declared(value: Any, hint: Any) -> Any:  # noqa: ANN401 - any value, any annotation
    """Returns a field's value with the integers in places of floats as floats."""
    args = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        others = [arg for arg in args if arg is not type(None)]
        return _as_declared(value, others[0]) if len(others) == 1 else value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= sys.float_info.max else value
    if isinstance(value, list | tuple) and args:
        hints = args if len(args) == len(value) and Ellipsis not in args else [args[0]] * len(value)
        return [_as_declared(item, own) for item, own in zip(value, hints, strict=True)]
    if isinstance(value, Mapping) and args:
        return {key: _as_declared(item, args[-1]) for key, item in value.items()}
    return value


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Builds a configuration from the values of `to_dict`; missing fields keep their defaults.

    Args:
        kind: Class of the configuration.
        values: JSON values.

    Raises:
        ConfigError: If a key is unknown or missing, or a value has the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{kind.__name__} is written as an object with fields",
            seen=_shown(values),
            fix="Restore the file that this was read from.",
        )
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(
            f"{kind.__name__} has no field of this name",
            seen=", ".join(unknown)[:_SHOWN],
            fix=f"Its fields are {', '.join(hints)}.",
        )
    parsed = {key: _parse(hints[key], value, key) for key, value in values.items()}
    try:
        return kind(**parsed)
    except TypeError as error:  # a field without a default is missing
        raise ConfigError(
            f"{kind.__name__} is incomplete", seen=error, fix="Add the missing fields."
        ) from error


def _parse(hint: Any, value: Any, name: str) -> Any:  # noqa: ANN401 - any annotation, any value
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value)  # type: ignore[arg-type]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _parse(next(arg for arg in args if arg is not type(None)), value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_parse(args[0], item, name) for item in value)
    if origin is Literal:
        if value in args:
            return value
    elif hint is Path and isinstance(value, str) and "\0" not in value:
        return storage.path_of(value)
    elif hint is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:
            return float(value)
    elif isinstance(value, origin or hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{name} has the wrong type", seen=_shown(value), fix=f"It must be {hint}.")


def _shown(value: object) -> str:
    """Returns the beginning of what was read, however large or deep it is."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def fingerprint(values: object) -> str:
    """Returns 16 hexadecimal digits that name a configuration or any tree of JSON values.

    Args:
        values: JSON values.
    """
    text = json.dumps(to_dict(values), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
