"""Writing one GGUF file through the gguf package's own writer, a tensor at a time."""

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from palo import storage
from palo.checkpoint.merged_weights import MergedWeights
from palo.errors import ResourceError

GgufType = Literal["float32", "float16", "bfloat16", "q8_0"]
_KINDS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "q8_0": "Q8_0"}
_FILE_TYPES = {
    "float32": "ALL_F32",
    "float16": "MOSTLY_F16",
    "bfloat16": "MOSTLY_BF16",
    "q8_0": "MOSTLY_Q8_0",
}
_Q8_BLOCK = 32


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of a GGUF file and what it is made of.

    Attributes:
        name: Its name in the file.
        source: Canonical name of the weight.
        shape: Its shape, rows first.
        kind: The gguf package's name of its type: F32, F16, BF16 or Q8_0.
        change: What is done to the weight, of the same shape before and after; None for nothing.
        undo: What makes the weight of it again.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    kind: str
    change: Callable[[Tensor], Tensor] | None = None
    undo: Callable[[Tensor], Tensor] | None = None

    @property
    def num_bytes(self) -> int:
        """Bytes that it has in the file."""
        return math.prod(self._byte_shape)

    @property
    def _byte_shape(self) -> tuple[int, ...]:
        from gguf import GGMLQuantizationType
        from gguf.quants import quant_shape_to_byte_shape

        kind = GGMLQuantizationType[self.kind]
        shape: tuple[int, ...] = quant_shape_to_byte_shape(self.shape, kind)
        return shape

    def announce(self, writer: Any) -> None:  # noqa: ANN401 - untyped package
        """Tells a GGUFWriter its name, shape and type.

        Args:
            writer: The GGUFWriter.
        """
        from gguf import GGMLQuantizationType

        writer.add_tensor_info(
            self.name,
            self._byte_shape,
            np.dtype(np.uint8),
            self.num_bytes,
            raw_dtype=GGMLQuantizationType[self.kind],
        )

    def data(self, weights: MergedWeights) -> npt.NDArray[Any]:
        """Reads its weight, and returns what the file holds of it.

        Args:
            weights: The model's weights.

        Raises:
            StorageError: If the weight can't be read.
        """
        from gguf import GGMLQuantizationType
        from gguf.quants import quantize

        weight = weights.read(self.source).float().reshape(self.shape)
        if self.change is not None:
            weight = self.change(weight)
        found: npt.NDArray[Any] = quantize(
            weight.contiguous().numpy(), GGMLQuantizationType[self.kind]
        )
        return found


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file to write.

    Attributes:
        path: The file.
        architecture: Such as llama or clip.
        dtype: Type of its matrices.
        tensors: What it holds, in order.
    """

    path: Path
    architecture: str
    dtype: GgufType
    tensors: Sequence[GgufTensor]


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


def require_package() -> None:
    """Checks that the gguf package is there.

    Raises:
        ResourceError: If it isn't.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ResourceError(
            "writing GGUF needs the gguf package", fix="Install it: pip install 'palo[mini]'."
        )


def write_gguf_file(
    file: GgufFile,
    weights: MergedWeights,
    add_fields: Callable[[Any], None],
    wrote: Callable[[int], None],
) -> None:
    """Writes a whole GGUF file or none, in the memory of its largest tensor.

    Args:
        file: Path and content.
        weights: The model's weights.
        add_fields: Adds the metadata to a GGUFWriter.
        wrote: Receives the bytes of each tensor that was written.

    Raises:
        StorageError: If it can't be written.
    """
    from gguf import GGUFWriter, LlamaFileType
    from gguf.constants import GGML_QUANT_VERSION

    with storage.replacing(file.path) as partial:
        writer = GGUFWriter(partial, file.architecture)
        try:
            writer.add_file_type(LlamaFileType[_FILE_TYPES[file.dtype]])
            writer.add_quantization_version(GGML_QUANT_VERSION)
            add_fields(writer)
            for tensor in file.tensors:
                tensor.announce(writer)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for tensor in file.tensors:
                writer.write_tensor_data(tensor.data(weights))
                wrote(tensor.num_bytes)
        finally:
            writer.close()
