"""The language model of a finished stage with its adapter in its weights, as a folder of its own.

It lies within the stage, and stands wherever the folder of a language model may: the stages behind
an align stage start from it, and nothing of them knows of an adapter.
"""

from pathlib import Path

from palo import storage
from palo.checkpoint.aligned_from import MERGED_FROM
from palo.checkpoint.exporting.shards import TensorSource, write_shards
from palo.checkpoint.finished import StageResult, language_model_folder
from palo.checkpoint.lineage_id import RECORD, lineage_id
from palo.checkpoint.merged_weights import MergedWeights, merged_weights
from palo.checkpoint.parts import own_language_model

_PREFIX = "language_model."
_COPIED = ("config.json", "generation_config.json")


def merged_language_model(stage: StageResult) -> Path:
    """Returns the folder of a stage's language model, whole; merges the adapter the first time.

    Weights are merged in float32 and written in the type of the base, one tensor in memory at a
    time. The record of where it comes from is written last.

    Args:
        stage: The finished stage, on a disk.

    Raises:
        MismatchError: If the adapter is not one for the language model, or a merged weight is too
            large for the base's type.
        StorageError: If a file can't be read or written.
    """
    if not stage.has_adapter:
        return language_model_folder(stage)
    folder = own_language_model(stage.folder, has_adapter=True)
    record = {MERGED_FROM: {"folder": "../..", "id": lineage_id(stage.folder)}}
    if (folder / RECORD).is_file() and storage.read_json(folder / RECORD) == record:
        return folder
    storage.remove(folder)
    weights = merged_weights(stage)
    names = sorted(name for name in weights.shapes if name.startswith(_PREFIX))
    sources = {name.removeprefix(_PREFIX): _source(weights, name) for name in names}
    write_shards(folder, sources, weights.stored_type(names[0]))
    for name in _COPIED:
        if (path := stage.parts.language_model / name).is_file():
            storage.write_bytes(folder / name, storage.read_bytes(path))
    storage.write_json(folder / RECORD, record)
    return folder


def _source(weights: MergedWeights, name: str) -> TensorSource:
    return TensorSource(shape=weights.shapes[name], read=lambda: weights.read(name))
