"""Benchmark results: figures with their spread, one JSON file each, a table, quotes in documents.

A document quotes a figure between two comments, which show nothing when it is rendered:
`<!-- bench:train/whole_job_ratio -->0.91<!-- /bench -->`. The number between them is kept by
`publish`, and a rule compares it with the result file.
"""

import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from palo import storage
from palo.config import check, from_dict, to_dict
from palo.errors import ConfigError
from palo.machine import checkout_state, versions

T = TypeVar("T")
Better = Literal["higher", "lower"]

_RESAMPLES = 2000
_MEASURED = ("1", "%", "points", "s", "ms", "nats", "MB", "MiB", "GiB")
"""Units of what is measured, not counted."""
QUOTE = re.compile(r"(<!-- bench:(\w+)/(\w+) -->)([^<]*)(<!-- /bench -->)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: What it is, in words joined by underscores.
        value: The number.
        unit: Its unit; "1" for a ratio.
        low: Lower end of its spread.
        high: Upper end of its spread.
        target: What it should reach; None if nothing is promised.
        better: Which way is better; only with a target.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    target: float | None = None
    better: Better | None = None

    def faults(self) -> Iterator[str]:
        """Yields what contradicts itself."""
        if not self.low <= self.value <= self.high:
            yield f"{self.name} is {self.value}, outside {self.low} to {self.high}"
        if (self.target is None) != (self.better is None):
            yield f"{self.name} needs target and better together, or neither"

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        if self.better == "lower":
            return self.value <= self.target
        return self.value >= self.target


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One run of a bench: everything that is needed to repeat and to judge it.

    Attributes:
        bench: Name of the bench, and of its file.
        commit: The commit that was measured; empty outside a git checkout.
        dirty: Whether files differed from that commit.
        date: When it ended, ISO 8601 in UTC.
        hardware: Processor, cores, memory, GPUs, and the load before the bench began.
        versions: Of Python and of the packages that matter.
        configuration: The bench's own settings.
        seeds: Seeds that were used.
        counts: How many samples, steps or repeats the figures rest on.
        figures: What was measured.
    """

    bench: str
    commit: str
    dirty: bool
    date: str
    hardware: Mapping[str, Any]
    versions: Mapping[str, str]
    configuration: Mapping[str, Any]
    seeds: tuple[int, ...]
    counts: Mapping[str, int]
    figures: tuple[Figure, ...]


def resampled(
    name: str,
    measure: Callable[[Sequence[T]], float],
    repeats: Sequence[T],
    unit: str,
    *,
    target: float | None = None,
    better: Better | None = None,
) -> Figure:
    """Returns the figure of a measure over repeats, with its 95 % bootstrap interval.

    Args:
        name: Name of the figure.
        measure: Computes it from repeats; ratios of sums are thus resampled as a whole.
        repeats: What was measured, one item each time.
        unit: Unit of the figure.
        target: What it should reach.
        better: Which way is better.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979 (percentile method).
    """
    generator = random.Random(0)  # noqa: S311 - resampling is no cryptography
    value = measure(repeats)
    values = sorted(measure(generator.choices(repeats, k=len(repeats))) for _ in range(_RESAMPLES))
    low, high = (values[round(share * (_RESAMPLES - 1))] for share in (0.025, 0.975))
    return Figure(
        name=name,
        value=value,
        unit=unit,
        low=min(low, value),
        high=max(high, value),
        target=target,
        better=better,
    )


def spread(
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    target: float | None = None,
    better: Better | None = None,
) -> Figure:
    """Returns the figure of a few repeats: their mean, with the range from smallest to largest.

    Args:
        name: Name of the figure.
        values: The repeats, at least one.
        unit: Unit of the values.
        target: What it should reach; None for no target.
        better: Whether higher or lower is better; needed for a target.
    """
    mean = sum(values) / len(values)
    low, high = min(*values, mean), max(*values, mean)
    return Figure(
        name=name, value=mean, unit=unit, low=low, high=high, target=target, better=better
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """Under which conditions a bench ran.

    Attributes:
        hardware: What `palo.machine.hardware` said before the bench.
        packages: Names of the distributions whose versions matter.
        configuration: The bench's settings, a dataclass or JSON values.
        seeds: Seeds that were used.
        counts: How many samples, steps or repeats the figures rest on.
    """

    hardware: Mapping[str, Any]
    packages: Sequence[str] = ()
    configuration: object
    seeds: Sequence[int] = ()
    counts: Mapping[str, int]


def publish(
    bench: str,
    figures: Sequence[Figure],
    conditions: Conditions,
    *,
    root: Path,
    folder: Path | None = None,
) -> Result:
    """Prints the table of a bench, writes its result file, and prints its path as the last line.

    A run of some parts alone can't replace the result of all: the file and the documents stay as
    they are where a document quotes a figure that this run doesn't have.

    Args:
        bench: Name of the bench.
        figures: What was measured.
        conditions: Under which conditions.
        root: The checkout that was measured.
        folder: Where the file goes; None for the checkout's own, whose documents then follow.

    Raises:
        ConfigError: If a figure contradicts itself, or a document quotes one that is missing.
    """
    result = Result(
        bench=bench,
        **checkout_state(root),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        hardware=conditions.hardware,
        versions=versions(conditions.packages),
        configuration=to_dict(conditions.configuration),
        seeds=tuple(conditions.seeds),
        counts=conditions.counts,
        figures=tuple(figures),
    )
    check(result)
    sys.stdout.write(f"{table(result)}\n")
    path = (folder or results_folder(root)) / f"{bench}.json"
    renewed = _requoted_documents(root, result) if folder is None else {}
    storage.write_json(path, _without_empty_targets(to_dict(result)))
    for document, text in renewed.items():
        storage.write_text(document, text)
    sys.stdout.write(f"{path}\n")
    return result


def results_folder(root: Path) -> Path:
    """Returns the folder in which a checkout keeps its benchmark results.

    Args:
        root: The checkout.
    """
    return root / "jobs" / "bench" / "results"


def read_results(folder: Path) -> dict[str, Result]:
    """Reads the results in a folder, by the name of the benchmark.

    Args:
        folder: The folder.

    Raises:
        ConfigError: If one has another form than results have, or another name than its file.
        StorageError: If one can't be read.
    """
    results = {}
    for path in sorted(folder.glob("*.json")):
        result = from_dict(Result, storage.read_json(path))
        check(result)
        if result.bench != path.stem:
            raise ConfigError(
                f"{path} holds the result of another bench",
                seen=result.bench,
                fix=f"Run `make bench NAME={path.stem}` again.",
            )
        results[path.stem] = result
    return results


def requoted(text: str, results: Mapping[str, Result]) -> str:
    """Returns a document with every quoted figure as the results have it.

    Args:
        text: The document.
        results: The results by the name of the benchmark.

    Raises:
        ConfigError: If a quoted figure is in no result.
    """
    values = {
        (name, figure.name): shown(figure.value, figure.unit)
        for name, result in results.items()
        for figure in result.figures
    }

    def renewed(match: re.Match[str]) -> str:
        begin, bench, figure, _, end = match.groups()
        if (bench, figure) not in values:
            raise ConfigError(
                "a document quotes a figure that no result has",
                seen=f"{bench}/{figure}",
                fix=f"Run `make bench NAME={bench}` with all its parts, or only print its figures "
                "by --output FOLDER.",
            )
        return f"{begin}{values[bench, figure]}{end}"

    return QUOTE.sub(renewed, text)


def shown(value: float, unit: str) -> str:
    """Returns a number for people: three significant digits, thousands with commas.

    Args:
        value: The number.
        unit: Its unit; a whole number of things that are counted has no decimals.
    """
    is_count = unit not in _MEASURED and "/" not in unit and value % 1 == 0
    if is_count or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}".removesuffix(".")


def table(result: Result) -> str:
    """Returns the figures as a table, with met or missed behind each target.

    Args:
        result: The result.
    """
    rows = [("figure", "value", "unit", "95 % or range", "target", "")]
    for figure in result.figures:
        goal = ""
        if figure.target is not None:
            sign = ">=" if figure.better == "higher" else "<="
            goal = f"{sign} {shown(figure.target, figure.unit)}"
        rows.append(
            (
                figure.name,
                shown(figure.value, figure.unit),
                figure.unit,
                " to ".join(shown(one, figure.unit) for one in (figure.low, figure.high)),
                goal,
                {True: "met", False: "MISSED", None: ""}[figure.met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def _requoted_documents(root: Path, result: Result) -> dict[Path, str]:
    """Returns the documents that change with a result, as they will be."""
    results = read_results(results_folder(root)) | {result.bench: result}
    pages = (root / "README.md", *sorted((root / "docs").rglob("*.md")))
    texts = {page: storage.read_text(page) for page in pages}
    renewed = {page: requoted(text, results) for page, text in texts.items()}
    return {page: text for page, text in renewed.items() if text != texts[page]}


def _without_empty_targets(values: dict[str, Any]) -> dict[str, Any]:
    figures = [{k: v for k, v in figure.items() if v is not None} for figure in values["figures"]]
    return values | {"figures": figures}
