"""Who holds the other workers up, judged by the newest signs of life of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palo.progress import duration
from palo.train.activity import in_words, place
from palo.train.pulse import Pulse

_MOST_NAMED = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Stall:
    """A stage that does no steps.

    Attributes:
        held_by: The workers that hold it up, by rank.
        waiting: Those that wait for them.
        silent_s: For how long each silent worker has given no sign of life, by rank.
    """

    held_by: Sequence[Pulse]
    waiting: Sequence[Pulse]
    silent_s: Mapping[int, float]


def find_stall(pulses: Sequence[Pulse], silent_s: Mapping[int, float]) -> Stall:
    """Finds the workers that hold the others up.

    They are those that give no sign of life; else those with the fewest collective operations
    begun, which the others wait in, and among these the ones farthest behind.

    Args:
        pulses: The newest sign of each worker; at least one.
        silent_s: For how long each silent worker has given none, in seconds, by rank.
    """

    def behind(pulse: Pulse) -> tuple[int, tuple[int, int]]:
        return pulse.collectives, place(pulse.phase, pulse.step)

    ordered = sorted(pulses, key=lambda pulse: pulse.rank)
    held_by = [pulse for pulse in ordered if pulse.rank in silent_s]
    if not held_by:
        least = min(map(behind, ordered))
        held_by = [pulse for pulse in ordered if behind(pulse) == least]
    return Stall(
        held_by=held_by,
        waiting=[pulse for pulse in ordered if pulse not in held_by],
        silent_s=silent_s,
    )


def explained(stall: Stall) -> str:
    """Returns who holds the others up, and where they are, in a line.

    Args:
        stall: A stage that does no steps.
    """
    first = stall.held_by[0]
    if not stall.waiting and len(stall.held_by) > 1:
        return _all_alike(stall)
    line = f"worker {first.rank} on node {first.node} {_state(stall, first)}"
    if len(stall.held_by) > 1:
        line += f"; so {_verb(len(stall.held_by) - 1, 'has', 'have')} {_ranks(stall.held_by[1:])}"
    if stall.waiting:
        whom = _verb(len(stall.held_by), "it", "them")
        line += f"; {_ranks(stall.waiting)} {_verb(len(stall.waiting), 'waits', 'wait')} for {whom}"
    return line


def _all_alike(stall: Stall) -> str:
    first = stall.held_by[0]
    count = len(stall.held_by)
    if stall.silent_s:
        away = duration(min(stall.silent_s.values()))
        return (
            f"none of {count} workers has given a sign of life for {away}: the network may be away"
        )
    words = in_words(first.phase, first.step)
    least_s = min(pulse.phase_s for pulse in stall.held_by)
    return f"all {count} workers have been {words} for {duration(least_s)}, none behind the others"


def _state(stall: Stall, pulse: Pulse) -> str:
    words = in_words(pulse.phase, pulse.step)
    if pulse.rank not in stall.silent_s:
        return f"has been {words} for {duration(pulse.phase_s)}"
    return (
        f"has given no sign of life for {duration(stall.silent_s[pulse.rank])} (its process "
        f"{pulse.process} is stopped, or the node is away); it was {words}"
    )


def _ranks(pulses: Sequence[Pulse]) -> str:
    if len(pulses) > _MOST_NAMED:
        return f"{len(pulses)} other workers"
    numbers = [str(pulse.rank) for pulse in pulses]
    if len(numbers) == 1:
        return f"worker {numbers[0]}"
    return f"workers {', '.join(numbers[:-1])} and {numbers[-1]}"


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
