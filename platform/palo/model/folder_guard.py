"""Checks of foreign model folders before a library loads them.

A library believes what a configuration says: it imports the code that one names, fetches what is
missing, and makes room for any number of weights. Here a folder is data: JSON and safetensors, in
the folder itself, of a size that its weights bear out.
"""

import json
import math
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from palo import storage
from palo.errors import MismatchError, StorageError

_CONFIG_BYTES = 8 << 20
_HEADER_BYTES = 100 << 20  # as safetensors itself has it
_READ = (".json", ".jinja", ".model", ".safetensors", ".txt")
"""Endings of what libraries read in a folder; pickled weights are not among them."""

_MOST = {
    "hidden_size": 1 << 16,
    "d_model": 1 << 16,
    "vocab_size": 1 << 22,
    "intermediate_size": 1 << 20,
    "num_hidden_layers": 1 << 10,
    "num_layers": 1 << 10,
    "encoder_layers": 1 << 10,
    "decoder_layers": 1 << 10,
    "num_attention_heads": 1 << 12,
    "num_key_value_heads": 1 << 12,
    "image_size": 1 << 13,
    "num_channels": 1 << 8,
    "num_labels": 1 << 17,
    "num_experts": 1 << 12,
    "num_local_experts": 1 << 12,
}
_MOST_OTHERS = 1 << 30
_CODE = ("auto_map", "custom_pipelines", "transformers_weights", "trust_remote_code")
_KERNELS = re.compile(r"_implementation$|^use_kernels?$|^kernel")
_MOST_DEPTH = 32
_SPARE_WEIGHTS = 64_000_000
_SHARED = 16
"""So many times the weights of its files a model may have: some layers share theirs."""

_NAME = re.compile(r"[\w.\-]{1,200}")
_UNUSUAL = (
    "megatron_config", "loftq_config", "eva_config", "corda_config",
    "lora_ga_config", "velora_config", "monteclora_config", "arrow_config", "kasa_config",
    "layer_replication", "target_parameters", "alora_invocation_tokens",
)  # fmt: skip


def read_model_config(folder: Path) -> dict[str, Any]:
    """Reads the config.json of a model folder, and checks the other files in it.

    Args:
        folder: The folder.

    Raises:
        MismatchError: If it names code to run, claims what no model has, or has no weights to bear
            it out.
        StorageError: If it can't be read, or a file is none or lies elsewhere.
    """
    require_own_files(folder)
    values = read_safe_config(folder)
    require_borne_out(folder, values, shapes_of(folder).values())
    return values


def read_safe_config(folder: Path) -> dict[str, Any]:
    """Reads the config.json of a model folder, on a disk or on S3, whatever its weights are.

    Args:
        folder: The folder.

    Raises:
        MismatchError: If it names code to run, or claims what no model has.
        StorageError: If it can't be read.
    """
    values = _read_object(folder / "config.json")
    _refuse(folder, list(_faults(values)))
    return values


def require_borne_out(
    folder: Path, values: Mapping[str, Any], shapes: Iterable[tuple[int, ...]]
) -> None:
    """Rejects a configuration of far more weights than a folder has.

    Args:
        folder: The folder, for the message.
        values: The values of its config.json.
        shapes: Shapes of its tensors; none if there is nothing to compare with.

    Raises:
        MismatchError: If it claims more.
    """
    present = sum(map(math.prod, shapes))
    claimed = sum(_num_weights(part) for part in _parts(values))
    if present and claimed > _SHARED * present + _SPARE_WEIGHTS:
        _refuse(folder, [f"{claimed:,} weights, of which its files have {present:,}"])


def _refuse(folder: Path, faults: Sequence[str]) -> None:
    if faults:
        raise MismatchError(
            f"{folder / 'config.json'} is not one that can be loaded",
            seen="; ".join(faults[:3]),
            fix="Choose a model of safetensors and of an architecture that transformers has.",
        )


def require_own_files(folder: Path) -> None:
    """Rejects a folder with files that are no regular files, or are links to somewhere else.

    Args:
        folder: The folder.

    Raises:
        StorageError: If there is one.
    """
    if not folder.is_dir():  # the reader of its files reports that
        return
    with storage.wrap_os_errors("read", folder):
        paths = [path for path in sorted(folder.iterdir()) if path.suffix in _READ]
        for path in paths:
            if not storage.lies_within(path, folder) or not stat.S_ISREG(path.stat().st_mode):
                raise StorageError(
                    "a file of a model is not in its folder",
                    seen=path,
                    fix="Copy what it is a link to, if you know what that is.",
                )


def require_adapter(folder: Path) -> dict[str, Any]:
    """Reads the adapter_config.json of a folder, if it is one of plain LoRA.

    Args:
        folder: The folder.

    Raises:
        MismatchError: If it names code, a search pattern of its own, or other ranks than its
            weights have.
        StorageError: If it can't be read, or there are no safetensors.
    """
    require_own_files(folder)
    shapes = shapes_of(folder, "adapter_model.safetensors")
    if not shapes:
        raise StorageError(
            "no adapter in safetensors format",
            seen=folder,
            fix="Convert it: other formats can run code when they are read.",
        )
    return read_adapter_config(folder, shapes)


def read_adapter_config(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Reads the adapter_config.json of a folder, on a disk or on S3, if it is one of plain LoRA.

    Args:
        folder: The folder.
        shapes: Shapes of the adapter's tensors, by name.

    Raises:
        MismatchError: If it names code, a search pattern of its own, or other ranks than its
            weights have.
        StorageError: If it can't be read.
    """
    values = _read_object(folder / "adapter_config.json")
    ranks = {shape[0] for name, shape in shapes.items() if ".lora_A." in name and shape}
    if faults := list(_adapter_faults(values, ranks)):
        raise MismatchError(
            f"{folder / 'adapter_config.json'} is not one that can be loaded",
            seen="; ".join(faults[:3]),
            fix="Use a LoRA adapter, or merge it into its model where you trust it.",
        )
    return values


def shapes_of(folder: Path, pattern: str = "*.safetensors") -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the tensors in the safetensors files of a folder, by name.

    Args:
        folder: The folder.
        pattern: Glob pattern of the files.

    Raises:
        StorageError: If a file is damaged.
    """
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob(pattern)):
        header, _ = safetensors_header(path)
        try:
            found |= {name: _shape(one["shape"]) for name, one in header.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, f"a tensor without a shape: {error!r:.80}") from error
    return found


def _shape(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(isinstance(n, int) and n >= 0 for n in values):
        raise ValueError(values)
    return tuple(values)


def safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    """Reads the header of a safetensors file, and compares its places with the file's size.

    Args:
        path: The file, on a disk or on S3.

    Returns:
        What it says of each tensor, by name, and where the tensors begin in the file.

    Raises:
        StorageError: If it can't be read or is damaged.
    """
    is_remote = isinstance(path, storage.S3Path)
    with (
        storage.wrap_os_errors("read", path),
        path.open("rb") if is_remote else storage.open_regular(path) as file,
    ):
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_HEADER_BYTES, size - 8):
            raise _damaged(path, f"a header of {length:,} bytes in a file of {size:,}")
        try:
            values = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise _damaged(path, f"header: {error!s:.80}") from error
    if not isinstance(values, dict):
        raise _damaged(path, "a header without tensors")
    last = max(map(_end_of, values.values()), default=0)
    if last != size - 8 - length:
        raise _damaged(path, f"tensors of {last:,} bytes in a file of {size:,}")
    values.pop("__metadata__", None)
    return values, 8 + length


def _end_of(tensor: object) -> int:
    place = tensor.get("data_offsets") if isinstance(tensor, dict) else None
    is_range = isinstance(place, list) and len(place) == 2 and isinstance(place[1], int)
    return int(place[1]) if place and is_range else 0


def _damaged(path: Path, seen: str) -> StorageError:
    return StorageError(
        f"can't read weights from {path}", seen=seen, fix="Download or convert it again."
    )


def _read_object(path: Path) -> dict[str, Any]:
    with storage.wrap_os_errors("read", path):
        size = path.stat().st_size
    values = storage.read_json(path) if size <= _CONFIG_BYTES else None
    if not isinstance(values, dict):
        raise MismatchError(
            f"{path} is no configuration that transformers knows",
            seen=f"{size:,} bytes" if values is None else type(values).__name__,
            fix="Choose a folder that save_pretrained wrote.",
        )
    return values


def _parts(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields a configuration and those in it."""
    yield values
    for value in values.values():
        if isinstance(value, Mapping):
            yield from _parts(value)


def _faults(values: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    if depth > _MOST_DEPTH:
        yield "it is nested too deeply"
        return
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _faults(value, depth + 1)
        if name == "model_type" and not isinstance(value, str):
            yield f"model_type is {value!r:.30}"
        if name in _CODE and value:
            yield f"{name} names what it is not to choose"
        if _KERNELS.search(name) and (value is True or "/" in str(value)[:500]):
            yield f"{name} names code to fetch"
        most = _MOST.get(name, _MOST_OTHERS)
        numbers = value if isinstance(value, list) else [value]
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            if not abs(number) <= most:  # nor is NaN
                yield f"{name} is {number!s:.30}, more than {most}"
                break


def _num_weights(values: Mapping[str, Any]) -> int:
    """Returns about how many weights the blocks and the words of a transformer have, at least."""

    def size(*names: str) -> int:
        found = (values.get(name) for name in names)
        return next((n for n in found if isinstance(n, int) and n > 0), 0)

    width, layers = size("hidden_size", "d_model"), size("num_hidden_layers", "num_layers")
    layers = layers or size("encoder_layers") + size("decoder_layers")
    inner = size("intermediate_size", "encoder_ffn_dim") or width
    return layers * (2 * width * width + 2 * width * inner) + size("vocab_size") * width


def _adapter_faults(values: Mapping[str, Any], ranks: set[int]) -> Iterator[str]:
    from palo.model.lora import TARGETS

    if values.get("peft_type") != "LORA":
        yield f"peft_type is {values.get('peft_type')!r:.30}, not LORA"
    yield from (f"it has {name}" for name in _UNUSUAL if values.get(name))
    mapping = values.get("auto_mapping") or {}
    library = mapping.get("parent_library", "transformers") if isinstance(mapping, dict) else None
    if not isinstance(library, str) or library.partition(".")[0] != "transformers":
        yield f"auto_mapping names code of {library!r:.40}"
    if values.get("init_lora_weights", True) not in (True, False, None, "gaussian"):
        yield f"init_lora_weights is {values['init_lora_weights']!r:.30}"
    patterns = [values.get(name) or {} for name in ("rank_pattern", "alpha_pattern")]
    for name in ("target_modules", "exclude_modules", "layers_pattern", "modules_to_save"):
        value = values.get(name)
        if value not in (None, TARGETS, "all-linear") and not _are_names(value):
            yield f"{name} are not names of modules"
    if not all(isinstance(one, Mapping) and _are_names(list(one)) for one in patterns):
        yield "rank_pattern or alpha_pattern are not by names of modules"
        return
    for rank in (values.get("r"), *patterns[0].values()):
        if rank not in ranks:
            yield f"rank {rank!r:.30}, which no weight of it has"


def _are_names(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(name, str) and _NAME.fullmatch(name) is not None for name in values
    )
