"""Writing one GGUF file through the gguf package's own writer, a tensor at a time."""

import importlib.util
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from palo import storage
from palo.checkpoint.merged_weights import MergedWeights
from palo.errors import ResourceError, StorageError

GgufType = Literal["float32", "float16", "bfloat16", "q8_0"]
_KINDS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "q8_0": "Q8_0"}
_FILE_TYPES = {
    "float32": "ALL_F32",
    "float16": "MOSTLY_F16",
    "bfloat16": "MOSTLY_BF16",
    "q8_0": "MOSTLY_Q8_0",
}
_Q8_BLOCK = 32
_SPARE_BYTES = 64 << 20  # for metadata: a vocabulary takes a few MiB


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of a GGUF file and what it is made of.

    Attributes:
        name: Its name in the file.
        source: Canonical name of the weight.
        shape: Its shape, rows first.
        kind: The gguf package's name of its type: F32, F16, BF16 or Q8_0.
        change: What is done to the weight, of the same shape before and after; None for nothing.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    kind: str
    change: Callable[[Tensor], Tensor] | None = None


def kind_of(dtype: GgufType, shape: tuple[int, ...]) -> str:
    """Returns the type of a tensor in a file of a type.

    Vectors stay float32, as llama.cpp wants them: biases, and weights of normalizations. So do
    other tensors that aren't matrices. Rows that no blocks of 32 divide are float16 instead of
    q8_0.

    Args:
        dtype: Type of the file.
        shape: Shape of the tensor.
    """
    if len(shape) != 2:
        return "F32"
    if dtype == "q8_0" and shape[-1] % _Q8_BLOCK:
        return "F16"
    return _KINDS[dtype]


def require_gguf() -> None:
    """Checks that the gguf package is there.

    Raises:
        ResourceError: If it isn't.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ResourceError(
            "writing GGUF needs the gguf package", fix="Install it: pip install 'palo[mini]'."
        )


def write_gguf_file(
    path: Path,
    architecture: str,
    dtype: GgufType,
    add_fields: Callable[[Any], None],
    tensors: Sequence[GgufTensor],
    weights: MergedWeights,
) -> None:
    """Writes a whole GGUF file or none, in the memory of its largest tensor.

    Args:
        path: The file.
        architecture: Such as llama or clip.
        dtype: Type of its matrices.
        add_fields: Adds the metadata to a GGUFWriter.
        tensors: What it holds, in order.
        weights: The model's weights.

    Raises:
        StorageError: If it can't be written, or the disk has no room for it.
    """
    from gguf import GGUFWriter, LlamaFileType
    from gguf.constants import GGML_QUANT_VERSION

    _require_room(path, tensors)
    with storage.replacing(path) as partial:
        writer = GGUFWriter(partial, architecture)
        try:
            writer.add_file_type(LlamaFileType[_FILE_TYPES[dtype]])
            writer.add_quantization_version(GGML_QUANT_VERSION)
            add_fields(writer)
            for tensor in tensors:
                _announce(writer, tensor)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for tensor in tensors:
                writer.write_tensor_data(_data(tensor, weights))
        finally:
            writer.close()


def _require_room(path: Path, tensors: Sequence[GgufTensor]) -> None:
    folder = storage.ensure_folder(path.parent)
    needed = sum(math.prod(_byte_shape(tensor)) for tensor in tensors) + _SPARE_BYTES
    with storage.wrap_os_errors("look at the free space of", folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"no room for {path}",
            seen=f"{needed / 2**30:.1f} GiB needed, {free / 2**30:.1f} GiB free",
            fix="Free some disk space, or choose a smaller type.",
        )


def _byte_shape(tensor: GgufTensor) -> tuple[int, ...]:
    from gguf import GGMLQuantizationType
    from gguf.quants import quant_shape_to_byte_shape

    shape: tuple[int, ...] = quant_shape_to_byte_shape(
        tensor.shape, GGMLQuantizationType[tensor.kind]
    )
    return shape


def _announce(writer: Any, tensor: GgufTensor) -> None:  # noqa: ANN401 - untyped package
    import numpy as np
    from gguf import GGMLQuantizationType

    shape = _byte_shape(tensor)
    kind = GGMLQuantizationType[tensor.kind]
    writer.add_tensor_info(tensor.name, shape, np.dtype(np.uint8), math.prod(shape), raw_dtype=kind)


def _data(tensor: GgufTensor, weights: MergedWeights) -> Any:  # noqa: ANN401 - an array
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    weight = weights.read(tensor.source).float().reshape(tensor.shape)
    if tensor.change is not None:
        weight = tensor.change(weight)
    return quantize(weight.contiguous().numpy(), GGMLQuantizationType[tensor.kind])
