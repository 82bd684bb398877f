"""Writing tensors as safetensors: the one way of all that is trained or converted here."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from palo import storage
from palo.errors import StorageError


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Writes a whole safetensors file or none.

    Args:
        path: The file.
        tensors: Contiguous tensors by name.

    Raises:
        StorageError: If it can't be written.
    """
    with storage.replacing(path) as partial:
        try:
            save_file(dict(tensors), partial, metadata={"format": "pt"})
        except SafetensorError as error:  # how safetensors reports a full disk
            raise StorageError(
                f"can't write {path}", seen=error, fix="Free some disk space."
            ) from error
