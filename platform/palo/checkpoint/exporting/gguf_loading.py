"""GGUF files loaded again, to be compared with their model.

The gguf package reads them, so that tensors, their types, names and order of rows are tried. What
llama.cpp makes of them, tests/clients/llama_cpp_test.py compares.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from palo.checkpoint.exporting.gguf import gguf_tensors
from palo.checkpoint.exporting.probes import Answering, PaloAnswers
from palo.checkpoint.finished import StageResult
from palo.checkpoint.load import unmerged_model
from palo.checkpoint.merged_weights import merged_weights
from palo.errors import MismatchError


def load_gguf(
    stage: StageResult, folder: Path, dtype: torch.dtype, stop: Sequence[int]
) -> Answering:
    """Loads the weights of an export into our own model.

    Args:
        stage: The finished stage that it was made of.
        folder: The export.
        dtype: Type that it runs in.
        stop: Ids that end an answer.

    Raises:
        MismatchError: If a tensor is missing, or has another shape.
    """
    model = unmerged_model(stage, dtype)
    places = model.state_dict()
    for source, weight in _weights(stage, folder):
        place = places[source.replace("vision_tower.", "vision_tower.model.", 1)]
        place.copy_(weight.reshape(place.shape))
    return PaloAnswers(model.eval(), stop)


def _weights(stage: StageResult, folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yields canonical names and float32 weights."""
    from gguf import GGUFReader, dequantize

    own = merged_weights(stage)
    for name, tensors in gguf_tensors(stage).items():
        written = {one.name: one for one in GGUFReader(folder / name).tensors}
        wanted = {tensor.name: tensor for tensor in tensors}
        if strange := sorted(written.keys() ^ wanted.keys()):
            raise MismatchError(
                f"{name} has other tensors than its model", seen=strange[0], fix="Report this."
            )
        for key, tensor in wanted.items():
            values = dequantize(written[key].data, written[key].tensor_type)
            weight = torch.from_numpy(np.array(values)).reshape(tensor.shape)
            if tensor.kind == "F16":
                weight = _unrounded(weight, own.read(tensor.source), name, key)
            yield tensor.source, weight if tensor.undo is None else tensor.undo(weight)


def _unrounded(weight: Tensor, own: Tensor, name: str, key: str) -> Tensor:
    """Returns the model's own weight where the file has it in float16 whatever its type is.

    Raises:
        MismatchError: If the file's isn't that, rounded.
    """
    if not torch.equal(own.half().float().reshape(weight.shape), weight):
        raise MismatchError(
            f"{name} has other weights than its model", seen=key, fix="Report this."
        )
    return own.float()
