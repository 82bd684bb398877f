"""Encoding images with Ray Data: decoding in tasks, the tower in a pool of actors.

Only the actors load torch and the tower's library: the tasks start in a fraction of the time.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo.config import from_dict
from palo.corpus.config import CorpusConfig
from palo.corpus.images_step.image_faults import faults_folder, write_faults
from palo.corpus.images_step.worker import ShardTask, decode_shard
from palo.corpus.ray_tasks import as_row, dataset, results
from palo.errors import ResourceError
from palo.images.decoder import shared_decoder
from palo.images.store_spec import StoreSpec
from palo.ray_errors import own_errors

if TYPE_CHECKING:
    from palo.corpus.images_step.tower_encoder import TowerEncoder

_DECODER_CPUS = 0.5
_ENCODER_CPUS = 0.6  # another share than the decoders', else Ray Data fuses them into one


def encode_shards(
    tasks: Sequence[ShardTask], config: CorpusConfig, spec: StoreSpec
) -> Iterator[dict[str, Any]]:
    """Decodes images in tasks, runs the tower on them in a pool of actors, writes their shards.

    Yields:
        For each shard how many "images" it was to hold, and "faults": reason and detail by image
        id of those that could not be decoded.

    Raises:
        PaloError: If a step raised one.
        ResourceError: If the machine or cluster is too small for the encoders.
    """
    if not tasks:
        return
    import ray

    _require_resources(config)

    def decode(row: dict[str, Any]) -> dict[str, Any]:
        return _decoded_row(from_dict(ShardTask, json.loads(row["task"])), spec)

    with own_errors():
        decoded = dataset(tasks).map(decode, num_cpus=_DECODER_CPUS)
        encoded = decoded.map(
            _ShardWriter,
            fn_constructor_args=(
                config.store_folder,
                spec,
                config.tower,
                faults_folder(config.output, config.image_limits),
            ),
            compute=ray.data.ActorPoolStrategy(size=config.num_encoders),
            num_cpus=_ENCODER_CPUS,
            num_gpus=config.gpus_per_encoder or None,
        )
        yield from results(encoded)


def _decoded_row(task: ShardTask, spec: StoreSpec) -> dict[str, Any]:
    decoded = decode_shard(task, spec, shared_decoder(spec.preprocessing, task.limits))
    return {
        "image_ids": json.dumps(decoded.image_ids),
        "pixels": decoded.pixels.tobytes(),
        "faults": json.dumps(decoded.faults),
    }


class _ShardWriter:
    """An actor: turns decoded images into one shard of the image store."""

    def __init__(self, store: Path, spec: StoreSpec, tower: Path, faults: Path) -> None:
        self._store = store
        self._spec = spec
        self._tower = tower
        self._faults = faults

    @cached_property
    def _encoder(self) -> "TowerEncoder":
        """The tower, loaded with the first images, where an error can still be reported."""
        import torch

        from palo.corpus.images_step.tower_encoder import TowerEncoder

        torch.set_num_threads(1)  # more threads than cores made this ten times slower
        return TowerEncoder(self._tower, self._spec)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return as_row(self._write(row))

    def _write(self, row: dict[str, Any]) -> dict[str, Any]:
        image_ids = json.loads(row["image_ids"])
        if image_ids:
            self._write_shard(image_ids, row["pixels"])
        faults = json.loads(row["faults"])
        write_faults(self._faults, faults)
        return {"images": len(image_ids) + len(faults), "faults": faults}

    def _write_shard(self, image_ids: list[str], data: bytes) -> None:
        import torch

        from palo.images.store import write_shard

        side = self._spec.preprocessing.image_size
        pixels = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        pixels = pixels.reshape(len(image_ids), 3, side, side)
        rows = pixels if self._spec.kind == "pixels" else self._encoder(pixels)
        write_shard(self._store, self._spec, image_ids, rows)


def _require_resources(config: CorpusConfig) -> None:
    import ray

    present = ray.cluster_resources()
    needed = {"CPU": config.num_encoders * _ENCODER_CPUS + _DECODER_CPUS}
    needed["GPU"] = config.num_encoders * config.gpus_per_encoder
    for name, count in needed.items():
        if count > present.get(name, 0):
            raise ResourceError(
                f"{config.num_encoders} image encoders need more {name}s than Ray has",
                seen=f"{count:g} of {present.get(name, 0):g}",
                fix="Lower num_encoders or gpus_per_encoder, or add machines.",
            )
