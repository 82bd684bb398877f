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
from palo.data.archives import IndexTask, index_archive
from palo.data.corpus_config import CorpusConfig
from palo.data.duplicates import DigestTask, Duplicate, DuplicateFinder, digest_records
from palo.data.encode_step import EncodeTask, encode_records
from palo.data.image_store import commit_store, prepare_store
from palo.data.parse_step import ParseTask, parse_piece
from palo.data.picture_files import image_root
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
        self._indexes = config.output / "archives"
        self._duplicates: Mapping[str, tuple[Duplicate, ...]] = {}
        self._sources = [
            SourceFile(number=number, name=source.name, path=source.path)
            for number, source in enumerate(config.sources)
        ]

    def archives(self) -> None:
        """Indexes the archives of pictures, so that their members can be reached one by one.

        Raises:
            DataError: If one is damaged, or is none.
        """
        folders = {source.images for source in self._config.sources if source.images is not None}
        paths = sorted(str(path) for path in folders if path.is_file())
        tasks = [IndexTask(archive=path, indexes=self._indexes) for path in paths]
        meter = _Meter("archives", "archives", self._say, len(tasks))
        current: set[str] = set()
        for result in run_tasks(index_archive, tasks):
            current.add(result["name"])
            meter.add(1)
        meter.finish()
        for path in self._indexes.glob("*.arrow"):
            if path.name not in current:
                path.unlink()

    def parse(self, pieces: list[list[Piece]]) -> None:
        """Makes records of each source's pieces, and cleans them."""
        tasks = [
            ParseTask(
                corpus=self._config.output,
                source=source,
                piece=piece,
                origin=Origin(
                    source=settings.name,
                    licence=settings.licence,
                    language=settings.language,
                    image_folder=None if settings.images is None else image_root(settings.images),
                    languages=languages.codes(),
                    names=tuple(languages.get(code).name for code in languages.codes()),
                ),
                cleaning=self._config.cleaning,
                known=tuple(languages.every()),
            )
            for source, settings, own in zip(
                self._sources, self._config.sources, pieces, strict=True
            )
            for piece in own
        ]
        meter = _Meter("parse", "rows", self._say)
        for result in run_tasks(parse_piece, tasks):
            num_rows, num_parsed, num_records = (
                result[name] for name in ("rows", "parsed", "records")
            )
            self.accounts.add(
                "parse", num_rows, num_parsed, result["parse_drops"], result["example"]
            )
            self.accounts.add("clean", num_parsed, num_records, result["clean_drops"], "")
            self._add_counts(result["counts"])
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
                indexes=self._indexes,
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
            ShardTask(
                image_ids=tuple(ids),
                paths=tuple(paths[image_id] for image_id in ids),
                indexes=self._indexes,
                limits=self._config.image_limits,
            )
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

    def duplicates(self) -> None:
        """Finds the records that an earlier one equals, if they are to be left out."""
        if self._config.cleaning.duplicates == "keep":
            return
        tasks = [DigestTask(corpus=self._config.output, name=name) for name in self._names()]
        meter = _Meter("duplicates", "records", self._say, self.accounts.rows_out["clean"])
        finder = DuplicateFinder()
        for result in run_tasks(digest_records, tasks):
            meter.add(finder.add(result))
        meter.finish()
        self._duplicates = finder.duplicates()

    def encode(self) -> str:
        """Makes samples of all records.

        Returns:
            A fingerprint of the samples, in their order.

        Raises:
            DataError: If too many rows are bad, or none is left.
        """
        names = self._names()
        tasks = [self._encode_task(name) for name in names]
        meter = _Meter("encode", "records", self._say, self.accounts.rows_out["clean"])
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

    def _names(self) -> list[str]:
        """Returns the files of records, in the order of the sources' rows."""
        return sorted(path.name for path in (self._config.output / "records").glob("*.parquet"))

    def _encode_task(self, name: str) -> EncodeTask:
        return EncodeTask(
            corpus=self._config.output,
            name=name,
            source=self._sources[int(name.split("-")[0])],
            template=self._config.template,
            tokenizer=self._config.tokenizer,
            limits=self._config.limits,
            duplicates=self._duplicates.get(name, ()),
        )

    def _count(self, result: Mapping[str, Any]) -> None:
        num_encoded = sum(counts["records"] for counts in result["counts"].values())
        num_left, example = result["records"], result["example"]
        for step, drops in result["drops"].items():
            num_before, num_left = num_left, num_left - _total(drops)
            num_out = num_encoded if step == "encode" else num_left
            self.accounts.add(step, num_before, num_out, drops, example)
            example = ""
        self._add_counts(result["counts"])

    def _add_counts(self, by_language: Mapping[str, Mapping[str, int]]) -> None:
        for language, counts in by_language.items():
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
