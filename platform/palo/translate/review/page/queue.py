"""The review queue."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from palo.translate.review.decision import DecisionFault, ReviewDecision, decision_faults
from palo.translate.review.item import Item
from palo.translate.review.sampling import waiting_items
from palo.translate.review.store import ReviewStore, StaleError

View = Literal["queue", "others", "disputed", "all"]
VIEWS: tuple[View, ...] = ("queue", "others", "disputed", "all")
_HOLD_S = 900.0
_LONGEST_TRAIL = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuePosition:
    """A reviewer's position in the queue.

    Attributes:
        key: Key of the translation that they see; empty for none.
        edition: Its edition.
        version: Its version as they saw it.
        trail: Keys of the translations that they saw before, the latest last.
    """

    key: str = ""
    edition: str = ""
    version: int = 0
    trail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewerSession:
    """A reviewer with the translations that they have chosen to see.

    Attributes:
        reviewer: Name of the reviewer; empty before they gave it.
        language: ISO code of the language that they review.
        view: Which of its translations they see.
    """

    reviewer: str
    language: str
    view: View = "queue"


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionResult:
    """The result of a decision.

    Attributes:
        position: Where the reviewer is now; only the version may differ from before.
        saved: Whether it is saved.
        faults: Why it isn't, if the reviewer can change it.
        newer_reviewer: Reviewer of a newer decision about the same translation, if there is one.
        retranslated: Whether it was translated again in the meantime.
    """

    position: QueuePosition
    saved: bool = False
    faults: tuple[DecisionFault, ...] = ()
    newer_reviewer: str = ""
    retranslated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewProgress:
    """The progress of a language's review.

    Attributes:
        total: Translations.
        done: Those that have been reviewed.
        mine: Those that the reviewer has.
        waiting: Those that wait for the reviewer.
    """

    total: int
    done: int
    mine: int
    waiting: int


class ReviewQueue:
    """The translations of a review, handed out to the reviewers of this process.

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

    def items(self, session: ReviewerSession) -> list[Item]:
        """Returns the translations of a session's view, in their order.

        Args:
            session: The reviewer and their view.
        """
        self.store.refresh()
        items = self.store.items(session.language)
        if session.view == "queue":
            return waiting_items(items, session.reviewer, second_share=self._second_share)
        if session.view == "disputed":
            return [item for item in items if item.state == "disputed"]
        if session.view == "others":
            reviewed = [item for item in items if item.latest.keys() - {session.reviewer}]
            return sorted(reviewed, key=lambda item: item.decisions[-1].time, reverse=True)
        return items

    def move(
        self, session: ReviewerSession, position: QueuePosition, *, back: bool = False
    ) -> QueuePosition:
        """Returns the next position of a reviewer, or the one before.

        Translations that were skipped come again when all others are done.

        Args:
            session: The reviewer.
            position: Their position now.
            back: Goes to the position before.
        """
        with self._turn:
            self._release(session.reviewer)
            if back and position.trail:
                return self._at(position.trail[-1], position.trail[:-1], session)
            trail = (
                (*position.trail, position.key)[-_LONGEST_TRAIL:]
                if position.key
                else position.trail
            )
            keys = [item.key for item in self.items(session)]
            passed = set(trail)
            left = [key for key in keys if key not in passed]
            if not left:
                after = keys.index(position.key) + 1 if position.key in keys else 0
                left = keys[after:] + keys[:after]
            free = [key for key in left if self.held_by_another(key, session) is None]
            return self._at((free or left or [""])[0], trail, session)

    def decide(
        self, session: ReviewerSession, position: QueuePosition, decision: ReviewDecision
    ) -> DecisionResult:
        """Saves a reviewer's decision, if it can be saved.

        Args:
            session: The reviewer.
            position: Their position.
            decision: The decision; its key, edition, reviewer and time are set here.

        Raises:
            StorageError: If it can't be written.
        """
        decision = replace(
            decision, key=position.key, edition=position.edition, reviewer=session.reviewer
        )
        self.store.refresh()
        item = self.store.find(position.key)
        if item is None or item.edition != position.edition:
            return DecisionResult(position=position, retranslated=True)
        if faults := decision_faults(item.translated, decision):
            return DecisionResult(position=position, faults=tuple(faults))
        try:
            self.store.save(decision, seen_version=position.version)
        except StaleError:
            if item.version <= position.version:
                return DecisionResult(position=position, retranslated=True)
            newer_reviewer = item.decisions[-1].reviewer
            return DecisionResult(
                position=replace(position, version=item.version), newer_reviewer=newer_reviewer
            )
        with self._turn:
            self._release(session.reviewer)
        return DecisionResult(position=replace(position, version=item.version), saved=True)

    def progress(self, session: ReviewerSession) -> ReviewProgress:
        """Returns the progress of the session's language.

        Args:
            session: The reviewer and their view.
        """
        items = self.store.items(session.language)
        return ReviewProgress(
            total=len(items),
            done=sum(item.version > 0 for item in items),
            mine=sum(session.reviewer in item.latest for item in items),
            waiting=len(waiting_items(items, session.reviewer, second_share=self._second_share)),
        )

    def held_by_another(self, key: str, session: ReviewerSession) -> str | None:
        """Returns the name of another reviewer who has a translation open; None if there is none.

        Args:
            key: Key of the translation.
            session: The reviewer who asks.
        """
        name, until = self._held.get(key, ("", 0.0))
        return name if name != session.reviewer and until > self._clock() else None

    def _at(self, key: str, trail: tuple[str, ...], session: ReviewerSession) -> QueuePosition:
        item = self.store.find(key)
        if item is None:
            return QueuePosition(trail=trail)
        if session.view == "queue" and session.reviewer:
            self._held.setdefault(key, (session.reviewer, self._clock() + _HOLD_S))
        return QueuePosition(key=key, edition=item.edition, version=item.version, trail=trail)

    def _release(self, reviewer: str) -> None:
        now = self._clock()
        for key, (name, until) in list(self._held.items()):
            if name == reviewer or until <= now:
                del self._held[key]
