"""What lies before a reviewer, what comes next, and what becomes of a decision."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from palo.translate.review.checks import DecisionFault, decision_faults
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.item import Item
from palo.translate.review.sampling import queue
from palo.translate.review.store import ReviewStore, StaleError

View = Literal["queue", "others", "disputed", "all"]
VIEWS: tuple[View, ...] = ("queue", "others", "disputed", "all")
_HOLD_S = 900.0
_LONGEST_TRAIL = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuePosition:
    """Where a reviewer is.

    Attributes:
        key: What lies before them; empty if nothing does.
        edition: Its edition.
        version: Its version as they saw it.
        trail: What they saw before, the latest last.
    """

    key: str = ""
    edition: str = ""
    version: int = 0
    trail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewerSession:
    """Who is at work, and on what.

    Attributes:
        reviewer: Name of the reviewer; empty before they gave it.
        language: ISO code of the language that they review.
        view: Which of its translations they want to see.
    """

    reviewer: str
    language: str
    view: View = "queue"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What became of a decision.

    Attributes:
        place: Where the reviewer is now; only the version may differ from before.
        saved: Whether it is saved.
        faults: Why it isn't, if the reviewer can change it.
        faster: Who has reviewed the same in the meantime.
        renewed: Whether it was translated anew in the meantime.
    """

    place: QueuePosition
    saved: bool = False
    faults: tuple[DecisionFault, ...] = ()
    faster: str = ""
    renewed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewProgress:
    """How far the review of a language is.

    Attributes:
        total: Translations.
        done: Those that somebody has reviewed.
        mine: Those that the reviewer has.
        waiting: Those that wait for the reviewer.
    """

    total: int
    done: int
    mine: int
    waiting: int


class ReviewQueue:
    """The work of all reviewers in this process.

    Args:
        store: The review.
        second_share: Share of the translations that two reviewers see.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        store: ReviewStore,
        *,
        second_share: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._second_share = second_share
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}
        self._turn = threading.Lock()

    def items(self, seat: ReviewerSession) -> list[Item]:
        """Returns what a reviewer can see, in their order."""
        self.store.refresh()
        items = self.store.items(seat.language)
        if seat.view == "queue":
            return queue(items, seat.reviewer, second_share=self._second_share)
        if seat.view == "disputed":
            return [item for item in items if item.state == "disputed"]
        if seat.view == "others":
            said = [item for item in items if item.latest.keys() - {seat.reviewer}]
            return sorted(said, key=lambda item: item.verdicts[-1].time, reverse=True)
        return items

    def move(
        self, seat: ReviewerSession, place: QueuePosition, *, back: bool = False
    ) -> QueuePosition:
        """Returns the next place of a reviewer, or the one before.

        What was passed over comes again when everything else is done.
        """
        with self._turn:
            self._let_go(seat.reviewer)
            if back and place.trail:
                return self._at(place.trail[-1], place.trail[:-1], seat)
            trail = (*place.trail, place.key)[-_LONGEST_TRAIL:] if place.key else place.trail
            keys = [item.key for item in self.items(seat)]
            passed = set(trail)
            left = [key for key in keys if key not in passed]
            if not left:
                after = keys.index(place.key) + 1 if place.key in keys else 0
                left = keys[after:] + keys[:after]
            free = [key for key in left if self.held_by_another(key, seat) is None]
            return self._at((free or left or [""])[0], trail, seat)

    def decide(
        self, seat: ReviewerSession, place: QueuePosition, verdict: ReviewDecision
    ) -> Decided:
        """Saves what a reviewer has decided, if it can be.

        Args:
            seat: Who it is.
            place: Where they are.
            verdict: The decision; who, what about and when are set here.

        Raises:
            StorageError: If it can't be written.
        """
        said = replace(verdict, key=place.key, edition=place.edition, reviewer=seat.reviewer)
        self.store.refresh()
        item = self.store.find(place.key)
        if item is None or item.edition != place.edition:
            return Decided(place=place, renewed=True)
        if faults := decision_faults(item.translated, said):
            return Decided(place=place, faults=tuple(faults))
        try:
            self.store.save(said, seen_version=place.version)
        except StaleError:
            if item.version <= place.version:
                return Decided(place=place, renewed=True)
            faster = item.verdicts[-1].reviewer
            return Decided(place=replace(place, version=item.version), faster=faster)
        with self._turn:
            self._let_go(seat.reviewer)
        return Decided(place=replace(place, version=item.version), saved=True)

    def progress(self, seat: ReviewerSession) -> ReviewProgress:
        """Returns how far the review of the seat's language is."""
        items = self.store.items(seat.language)
        return ReviewProgress(
            total=len(items),
            done=sum(item.version > 0 for item in items),
            mine=sum(seat.reviewer in item.latest for item in items),
            waiting=len(queue(items, seat.reviewer, second_share=self._second_share)),
        )

    def held_by_another(self, key: str, seat: ReviewerSession) -> str | None:
        """Returns who else has a translation before them; None if nobody does."""
        name, until = self._held.get(key, ("", 0.0))
        return name if name != seat.reviewer and until > self._clock() else None

    def _at(self, key: str, trail: tuple[str, ...], seat: ReviewerSession) -> QueuePosition:
        item = self.store.find(key)
        if item is None:
            return QueuePosition(trail=trail)
        if seat.view == "queue" and seat.reviewer:
            self._held.setdefault(key, (seat.reviewer, self._clock() + _HOLD_S))
        return QueuePosition(key=key, edition=item.edition, version=item.version, trail=trail)

    def _let_go(self, reviewer: str) -> None:
        now = self._clock()
        for key, (name, until) in list(self._held.items()):
            if name == reviewer or until <= now:
                del self._held[key]
