"""The steps of a build in turn, each run by Ray Data, with an account of every row."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from palo import languages, storage
from palo.config import fingerprint
from palo.data.accounts import Accounts
from palo.data.corpus_config import CorpusConfig
from palo.data.encode_step import EncodeTask, encode_records
from palo.data.image_store import commit_store, prepare_store
from palo.data.parse_step import ParseTask, parse_piece
from palo.data.picture_step import PICTURE_SCHEMA, IdentifyTask, ShardTask, identify_pictures
from palo.data.picture_tasks import encode_shards
from palo.data.quarantine import SourceFile
from palo.data.ray_tasks import run_tasks
from palo.data.records import Origin
from palo.data.sources import Piece
from palo.data.store_spec import StoreSpec
from palo.errors import DataError

_PATHS_PER_TASK = 256
_LINE_EVERY_S = 5.0


class BuildSteps:
    """Builds what lies in a corpus folder but its manifest.

    Args:
        config: What to build.
        spec: What the image store holds.
        say: Takes lines about progress.

    Attributes:
        accounts: Rows in, out and dropped.
        counts: Records, and what was split, cut and dropped in part, by language.
        has_images: Whether any record has a picture.
        num_encoded: Images that were added to the image store.
    """

    def __init__(self, config: CorpusConfig, spec: StoreSpec, say: Callable[[str], None]) -> None:
        self.accounts = Accounts(config.max_bad_share)
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.has_images = False
        self.num_encoded = 0
        self._config = config
        self._spec = spec
        self._say = say
        self._sources = [
            SourceFile(number=number, name=source.name, path=source.path)
            for number, source in enumerate(config.sources)
        ]

    def parse(self, pieces: list[list[Piece]]) -> None:
        """Makes records of each source's pieces."""
        tasks = [
            ParseTask(
                corpus=self._config.output,
                source=source,
                piece=piece,
                origin=Origin(
                    source=settings.name,
                    licence=settings.licence,
                    language=settings.language,
                    image_folder=None if settings.images is None else str(settings.images),
                    languages=languages.codes(),
                ),
            )
            for source, settings, own in zip(
                self._sources, self._config.sources, pieces, strict=True
            )
            for piece in own
        ]
        meter = _Meter("parse", "rows", self._say)
        for result in run_tasks(parse_piece, tasks):
            self.accounts.add(
                "parse", result["rows"], result["records"], result["dropped"], result["example"]
            )
            meter.add(result["rows"])
        meter.finish()
        self.accounts.require_few_bad()

    def pictures(self) -> None:
        """Puts every distinct picture into the image store, unless it is there."""
        uses = _pictures_of(self._config.output)
        self.has_images = bool(uses)
        rows = self._identify(sorted(uses))
        bad = Counter[str]()
        for row in rows:
            if row["reason"] is not None:
                bad[row["reason"]] += uses[row["path"]]
        example = next((f"{row['reason']} ({row['detail']})" for row in rows if row["reason"]), "")
        self.accounts.require_few_bad(bad, example)
        faults = self._encode_pictures(rows) if self.has_images else {}
        for row in rows:
            if row["image_id"] in faults:
                row["reason"], row["detail"] = faults[row["image_id"]]
        table = pa.Table.from_pylist(rows, schema=PICTURE_SCHEMA)
        with storage.replacing(self._config.output / "pictures.parquet") as partial:
            pq.write_table(table, partial)

    def _identify(self, paths: list[str]) -> list[dict[str, Any]]:
        tasks = [
            IdentifyTask(
                paths=tuple(paths[start : start + _PATHS_PER_TASK]),
                limits=self._config.image_limits,
            )
            for start in range(0, len(paths), _PATHS_PER_TASK)
        ]
        meter = _Meter("identify", "images", self._say, len(paths))
        rows: list[dict[str, Any]] = []
        for result in run_tasks(identify_pictures, tasks):
            rows += result["pictures"]
            meter.add(len(result["pictures"]))
        meter.finish()
        return sorted(rows, key=lambda row: str(row["path"]))

    def _encode_pictures(self, rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
        folder = self._config.store_folder
        present = prepare_store(folder, self._spec)
        paths = {row["image_id"]: row["path"] for row in reversed(rows) if row["image_id"]}
        new = sorted(paths.keys() - present)
        size = self._config.images_per_shard
        tasks = [
            ShardTask(image_ids=tuple(ids), paths=tuple(paths[image_id] for image_id in ids))
            for ids in (new[start : start + size] for start in range(0, len(new), size))
        ]
        if len(new) < len(paths):
            self._say(f"images: {len(paths) - len(new):,} of {len(paths):,} are in the store")
        meter = _Meter("images", "images", self._say, len(new))
        faults: dict[str, tuple[str, str]] = {}
        for result in encode_shards(tasks, self._config, self._spec):
            faults |= {
                image_id: (fault[0], fault[1]) for image_id, fault in result["faults"].items()
            }
            meter.add(result["images"])
        meter.finish()
        commit_store(folder)
        self.num_encoded = len(new) - len(faults)
        return faults

    def encode(self) -> str:
        """Makes samples of all records.

        Returns:
            A fingerprint of the samples, in their order.

        Raises:
            DataError: If too many rows are bad, or none is left.
        """
        names = sorted(path.name for path in (self._config.output / "records").glob("*.parquet"))
        tasks = [self._encode_task(name) for name in names]
        meter = _Meter("encode", "records", self._say, self.accounts.rows_out["parse"])
        digests: dict[str, str] = {}
        for result in run_tasks(encode_records, tasks):
            digests[result["name"]] = result["digest"]
            self._count(result)
            meter.add(result["records"])
        meter.finish()
        self.accounts.require_few_bad()
        if not self.accounts.rows_out["encode"]:
            raise DataError("no row is left to train on", fix="Check the sources.")
        return fingerprint([digests[name] for name in names])

    def _encode_task(self, name: str) -> EncodeTask:
        return EncodeTask(
            corpus=self._config.output,
            name=name,
            source=self._sources[int(name.split("-")[0])],
            template=self._config.template,
            tokenizer=self._config.tokenizer,
            limits=self._config.limits,
        )

    def _count(self, result: Mapping[str, Any]) -> None:
        num_after_images = result["records"] - _total(result["image_drops"])
        self.accounts.add(
            "image", result["records"], num_after_images, result["image_drops"], result["example"]
        )
        num_encoded = sum(counts["records"] for counts in result["counts"].values())
        self.accounts.add("encode", num_after_images, num_encoded, result["encode_drops"], "")
        for language, counts in result["counts"].items():
            self.counts[language].update(counts)


def _pictures_of(corpus: Path) -> Counter[str]:
    """Counts how many records use each picture."""
    uses: Counter[str] = Counter()
    for path in sorted((corpus / "records").glob("*.parquet")):
        with storage.explained("read", path):
            column = pq.read_table(path, columns=["image"]).column("image")
        for pair in column.drop_null().value_counts().to_pylist():
            uses[pair["values"]] += pair["counts"]
    return uses


def _total(dropped: Mapping[str, Mapping[str, int]]) -> int:
    return sum(sum(counts.values()) for counts in dropped.values())


class _Meter:
    """Says every few seconds how far a step is and how fast it goes."""

    def __init__(
        self, step: str, unit: str, say: Callable[[str], None], total: int | None = None
    ) -> None:
        self._step = step
        self._unit = unit
        self._say = say
        self._total = total
        self._done = self._said = 0
        self._start = self._last = time.monotonic()

    def add(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            self._line(now)

    def finish(self) -> None:
        if self._done > self._said:
            self._line(time.monotonic())

    def _line(self, now: float) -> None:
        done = f"{self._done:,}" + (f"/{self._total:,}" if self._total else "")
        rate = self._done / max(now - self._start, 1e-9)
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        self._said = self._done
        self._say(f"{self._step}: {done} {self._unit}, {speed} {self._unit}/s")
