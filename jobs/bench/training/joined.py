"""One result of parts that ran one by one."""

from collections.abc import Sequence
from pathlib import Path

from palo import storage
from palo.benchmark import Conditions, Figure, Result
from palo.config import from_dict
from palo.errors import MismatchError

# What a part says about itself alone.
_OWN = ("part", "output", "joins")


def join_parts(folders: Sequence[Path], packages: Sequence[str]) -> tuple[list[Figure], Conditions]:
    """Reads the results of parts.

    Args:
        folders: Their folders, each with a train.json.
        packages: Names of the distributions whose versions matter.

    Returns:
        All figures, and the conditions, which are the same for all.

    Raises:
        MismatchError: If parts measured different commits, machines, packages or settings.
        StorageError: If a result can't be read.
    """
    results = [from_dict(Result, storage.read_json(folder / "train.json")) for folder in folders]
    first = results[0]
    for folder, result in zip(folders, results, strict=True):
        different = [
            what
            for what, one, other in zip(_SAME, _kept(result), _kept(first), strict=True)
            if one != other
        ]
        if different:
            raise MismatchError(
                f"the part in {folder} was measured under other conditions than {folders[0]}",
                seen=", ".join(different),
                fix="Run all parts on one machine, of one commit and with the same settings.",
            )
    highest = max((result.hardware for result in results), key=lambda one: one["load_before"])
    conditions = Conditions(
        hardware=highest,
        packages=packages,
        configuration={**_settings(first), "part": "all"},
        seeds=first.seeds,
        counts={name: count for result in results for name, count in result.counts.items()},
    )
    return [figure for result in results for figure in result.figures], conditions


_SAME = ("commit", "changed files", "hardware", "versions", "settings")


def _kept(result: Result) -> tuple[object, ...]:
    machine = {name: value for name, value in result.hardware.items() if name != "load_before"}
    return result.commit, result.dirty, machine, dict(result.versions), _settings(result)


def _settings(result: Result) -> dict[str, object]:
    return {name: value for name, value in result.configuration.items() if name not in _OWN}
