"""Figures of the submissions: what became of them, and what grew."""

from collections.abc import Callable, Iterator, Sequence

from submitting.counts import DAEMONS, Counts
from submitting.portion import Portion
from submitting.settings import MIX

from palo.benchmark import Figure, spread

# What a job of ours may not leave, whatever Ray keeps.
_LEFT: dict[str, Callable[[Counts], int]] = {
    "job_processes_left": lambda counts: counts.job_processes,
    "actors_left": lambda counts: counts.actors,
    "placement_groups_left": lambda counts: counts.placement_groups,
    "packages_left_in_the_heads_memory": lambda counts: counts.packages,
}
_GROWN: dict[str, Callable[[Counts], int]] = {
    "more_ports": lambda counts: counts.ports,
    "more_open_files_of_the_submitter": lambda counts: counts.own_files,
    "more_threads_of_the_submitter": lambda counts: counts.own_threads,
}
_KEPT: dict[str, Callable[[Counts], int]] = {
    "idle_workers_kept_by_ray": lambda counts: counts.workers,
    "records_kept_by_ray": lambda counts: counts.records,
    "log_files_kept_by_ray": lambda counts: counts.logs,
    "unpacked_packages_kept_by_ray": lambda counts: counts.unpacked,
}


def figures_of(portions: Sequence[Portion]) -> Iterator[Figure]:
    """Yields the figures of all portions.

    Args:
        portions: The portions.
    """
    ended = [one for portion in portions for one in portion.ended]
    wrong = sum(bool(one.problem) for one in ended)
    yield spread("jobs_that_ended_otherwise", [wrong], "jobs", target=0.0, better="lower")
    for name, of in _LEFT.items():
        left = [of(portion.after) for portion in portions]
        yield spread(name, left, "of a portion", target=0.0, better="lower")
    for name, of in _GROWN.items():
        grown = [max(0, of(portion.after) - of(portion.before)) for portion in portions]
        yield spread(name, grown, "of a portion", target=0.0, better="lower")
    for name, of in _KEPT.items():
        kept = [of(portion.after) - of(portion.before) for portion in portions]
        yield spread(name, kept, "of a portion")
    for daemon in DAEMONS.values():
        files = [_grown(portion, daemon) for portion in portions]
        yield spread(f"more_open_files_of_rays_{daemon}", files, "of a portion")
        memory = [
            portion.after.memory_mib[daemon] - portion.before.memory_mib[daemon]
            for portion in portions
        ]
        yield spread(f"more_memory_of_rays_{daemon}", memory, "MiB of a portion")
    for fate in MIX:
        seconds = [one.seconds for one in ended if one.fate == fate and not one.problem]
        if seconds:
            yield spread(f"seconds_{fate.replace('-', '_')}", seconds, "s")


def _grown(portion: Portion, daemon: str) -> int:
    return portion.after.open_files[daemon] - portion.before.open_files[daemon]


def leaks(figures: Sequence[Figure]) -> list[str]:
    """Returns what must not have been left or grown, and has.

    Args:
        figures: The figures.
    """
    return [f"{one.name}: {one.value:g}" for one in figures if one.met is False]
