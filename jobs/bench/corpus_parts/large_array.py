"""One large JSON array, read and parsed by every core at once."""

from collections.abc import Callable
from dataclasses import dataclass

from corpus_parts.inputs import scratch, write_inputs, write_large_array
from corpus_parts.rows import RowSettings, generated_origin
from corpus_parts.sentences import Sentences
from corpus_parts.settings import CorpusBench
from corpus_parts.together import Done, run_together
from resuming import say

from palo.benchmark import Figure, spread
from palo.corpus.parse.worker import parse_row
from palo.corpus.sources import Split, read_split, split_source
from palo.data.records import Record
from palo.machine import PeakMemory

_ROWS = 20_000
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class _Share:
    """The splits of one process."""

    splits: tuple[Split, ...]


def measure_array(settings: CorpusBench, sentences: Sentences) -> list[Figure]:
    """Reads and parses an array with one process, then with all."""
    size_bytes = settings.scaled(settings.array_bytes, _MB)
    count = min(_ROWS, settings.scaled(settings.records, 100))
    rows = RowSettings(num_records=count, num_images=1, seed=settings.seed)
    inputs = write_inputs(settings, rows, sentences)
    with scratch(settings, "array") as folder:
        path = folder / "rows.json"
        num_rows = count * write_large_array(path, inputs, size_bytes)
        splits = split_source(path)
        megabytes = path.stat().st_size / _MB
        say(f"one array of {megabytes:,.0f} MB, {num_rows:,} rows")
        one_s, _ = _read(splits, 1, num_rows)
        all_s, peak_gib = _read(splits, settings.cores, num_rows)
    return [
        spread("array_mb", [megabytes], "MB"),
        spread("array_mb_per_s", [megabytes / all_s], "MB/s"),
        spread("array_mb_per_s_one_core", [megabytes / one_s], "MB/s"),
        spread("array_speed_up", [one_s / all_s], "1"),
        spread("array_peak_memory_gib", [peak_gib], "GiB"),
    ]


def _read(splits: list[Split], cores: int, num_rows: int) -> tuple[float, float]:
    """Returns the seconds of the slowest process, and the most memory of all together."""
    shares = [_Share(tuple(splits[number::cores])) for number in range(cores)]
    with PeakMemory(every_s=0.2) as memory:
        done: list[Done] = run_together(_reader, shares)
    found = sum(one.result for one in done)
    if found != num_rows:
        raise RuntimeError(f"{num_rows} rows were written and {found} read")
    return max(one.seconds for one in done), memory.peak_gib


def _reader(share: _Share) -> Callable[[], int]:
    origin = generated_origin()

    def read() -> int:
        return sum(
            isinstance(parse_row(raw, origin, split.row_offset(raw.offset)), Record)
            for split in share.splits
            for raw in read_split(split)
        )

    return read
