"""Driver of the images stage: identifies images, and stores each distinct one once."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.capacity import RayCluster, await_capacity
from palo.config import from_dict
from palo.corpus.build_run import BuildRun
from palo.corpus.config import CorpusConfig
from palo.corpus.images_step.encoder_actors import encoder_options, encoder_share
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.corpus.images_step.image_table import (
    absent_from,
    faults_folder,
    known_rows,
    prepare_table,
    read_faults,
    read_parts,
    table_path,
    with_faults,
)
from palo.corpus.images_step.worker import (
    IdentifyResult,
    IdentifyTask,
    ShardResult,
    ShardTask,
    ShardWriter,
    decoded_row,
    identify_images,
)
from palo.corpus.ray_tasks import dataset, results, run_tasks
from palo.errors import ResourceError
from palo.images.archives import IndexTask, index_archive
from palo.images.store import adding_to, commit_store, prepare_store
from palo.images.store_spec import StoreSpec
from palo.progress import Meter
from palo.ray_errors import own_errors
from palo.sharing import check_here

_PATHS_PER_TASK = 256
_DECODER_CPUS = 0.5
_FIX = (
    "Lower encoders.count or encoders.gpus, name other encoders.gpu_kinds or "
    "encoders.node_labels, add machines, or raise encoders.wait_s."
)
_STORE_WAIT_S = 7 * 24 * 3600.0


class ImagesStage:
    """Brings the image store and the table of images up to date.

    Args:
        run: The build.

    Attributes:
        num_encoded: Images that were added to the image store.
    """

    def __init__(self, run: BuildRun) -> None:
        self.num_encoded = 0
        self._run = run
        self._config = run.config
        self._indexes = run.config.output / "archives"

    def index_archives(self) -> None:
        """Indexes the archives of images, so that their members can be reached one by one.

        Raises:
            DataError: If one is damaged, or is none.
        """
        folders = {source.images for source in self._config.sources if source.images is not None}
        paths = sorted(str(path) for path in folders if path.is_file())
        tasks = [IndexTask(archive=path, indexes=self._indexes) for path in paths]
        meter = Meter("archives", "archives", self._run.say, len(tasks))
        current: set[str] = set()
        for result in run_tasks(index_archive, tasks):
            current.add(result["name"])
            meter.add(1)
        meter.finish()
        for path in self._indexes.glob("*.arrow"):
            if path.name not in current:
                storage.remove(path)

    def store_images(self, paths: pa.Array, uses: npt.NDArray[np.int64]) -> pa.Table:
        """Puts every distinct image into the image store, unless it is there.

        Args:
            paths: Paths of the images.
            uses: (images,) how many records use each.

        Returns:
            The table of images, as IMAGE_SCHEMA has it, by path.

        Raises:
            DataError: If too many rows have an image that can't be used.
        """
        corpus = self._config.output
        prepare_table(corpus, self._config.image_limits)
        table = self._identify(paths)
        self._require_few_bad(table, paths, uses)
        if len(paths):
            table = with_faults(table, self._encode(table))
        storage.write_table(table_path(corpus), table)
        for part in (corpus / "image_table").glob("*.parquet"):
            storage.remove(part)
        return table

    def _identify(self, paths: pa.Array) -> pa.Table:
        known = known_rows(self._config.output, paths)
        missing = absent_from(known, paths)
        tasks = [
            IdentifyTask(
                corpus=self._config.output,
                paths=tuple(missing[start : start + _PATHS_PER_TASK]),
                indexes=self._indexes,
                limits=self._config.image_limits,
            )
            for start in range(0, len(missing), _PATHS_PER_TASK)
        ]
        meter = Meter("identify", "images", self._run.say, len(paths))
        meter.skip(len(paths) - len(missing))
        parts: list[str] = []
        for values in run_tasks(identify_images, tasks):
            result = from_dict(IdentifyResult, values)
            self._run.num_run["identify"] += 1
            parts.append(result.part)
            meter.add(result.num_images)
        meter.finish()
        new = read_parts(self._config.output, parts)
        return pa.concat_tables([known, new]).sort_by("path").combine_chunks()

    def _require_few_bad(
        self, table: pa.Table, paths: pa.Array, uses: npt.NDArray[np.int64]
    ) -> None:
        bad = table.filter(pc.and_(pc.is_valid(table["reason"]), pc.is_null(table["image_id"])))
        numbers = pc.index_in(bad["path"], value_set=paths).to_numpy()
        expected: dict[str, int] = {}
        for reason, count in zip(bad["reason"].to_pylist(), uses[numbers].tolist(), strict=True):
            expected[reason] = expected.get(reason, 0) + count
        example = f"{bad['reason'][0]} ({bad['detail'][0]})" if len(bad) else ""
        self._run.row_counts.require_few_bad(expected, example)

    def _encode(self, table: pa.Table) -> Mapping[str, tuple[str, str]]:
        """Adds images to the store while no other build does; returns the faults."""
        folder = self._config.store_folder
        with ExitStack() as held:
            try:
                held.enter_context(adding_to(folder))
            except ResourceError as error:
                self._run.say(f"images: waiting, since another build adds images: {error.seen}")
                held.enter_context(adding_to(folder, wait_s=_STORE_WAIT_S))
            return self._encode_missing(table, folder)

    def _encode_missing(self, table: pa.Table, folder: Path) -> Mapping[str, tuple[str, str]]:
        present = prepare_store(folder, self._run.spec)
        table = table.filter(pc.is_valid(table["image_id"]))
        image_ids = table["image_id"].to_pylist()
        paths = dict(zip(reversed(image_ids), reversed(table["path"].to_pylist()), strict=True))
        faults = read_faults(self._config.output, self._config.image_limits)
        # By path, since neighbours in a Parquet file are read once if they are read in order.
        new = sorted(paths.keys() - present - faults.keys(), key=paths.__getitem__)
        size = self._config.images_per_shard
        tasks = [
            ShardTask(
                image_ids=tuple(ids),
                paths=tuple(paths[image_id] for image_id in ids),
                indexes=self._indexes,
                limits=self._config.image_limits,
            )
            for ids in (new[start : start + size] for start in range(0, len(new), size))
        ]
        meter = Meter("images", "images", self._run.say, len(paths))
        meter.skip(len(paths) - len(new))
        num_bad = 0
        for result in _encode_shards(tasks, self._config, self._run.spec, self._run.say):
            self._run.num_run["images"] += 1
            found = {image_id: (fault[0], fault[1]) for image_id, fault in result.faults.items()}
            faults |= found
            num_bad += len(found)
            meter.add(result.num_images)
        meter.finish()
        commit_store(folder)
        self.num_encoded = len(new) - num_bad
        return faults


def _encode_shards(
    tasks: Sequence[ShardTask], config: CorpusConfig, spec: StoreSpec, say: Callable[[str], None]
) -> Iterator[ShardResult]:
    """Decodes images in tasks, runs the tower on them in a pool of actors, writes their shards."""
    if not tasks:
        return
    # Pixels need no tower, and no GPU.
    own = config.encoders if spec.kind == "features" else EncoderSettings()
    settings = replace(own, count=min(config.encoders.count, len(tasks)))
    share = encoder_share(settings, RayCluster())
    await_capacity(share, RayCluster(), settings.wait_s, say, _FIX)

    def decode(row: dict[str, Any]) -> dict[str, Any]:
        check_here()
        return decoded_row(from_dict(ShardTask, json.loads(row["task"])), spec)

    with own_errors():
        # Decoders run beside the encoders, which take the pixels of each image.
        decoded = dataset(tasks, share.node_labels).map(decode, num_cpus=_DECODER_CPUS)
        encoded = decoded.map(
            ShardWriter,
            fn_constructor_args=(
                config.store_folder,
                spec,
                config.tower,
                faults_folder(config.output, config.image_limits),
                settings,
            ),
            **encoder_options(share),
        )
        for result in results(encoded):
            yield from_dict(ShardResult, result)
