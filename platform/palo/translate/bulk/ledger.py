"""The write-ahead ledger of a job: requests before they are sent, answers before they count."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from palo.errors import DataError
from palo.storage import LineFile
from palo.translate.backends.backend import Draft, TranslationFailure


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedDraft:
    """A draft and its origin.

    Attributes:
        draft: The draft.
        translator: Backend and model.
        prompt_hash: Names the prompt.
        settings_hash: Names the settings that it was asked for under; empty where that is unknown.
    """

    draft: Draft
    translator: str
    prompt_hash: str
    settings_hash: str = ""


class Ledger:
    """All requests and answers of a job, in one file. Use it as a context.

    Attributes:
        cost: What the answers have cost.
        tokens_in: Tokens that were read for them.
        tokens_out: Tokens that were written.
        num_answers: How many there are.
        num_sent: Requests that were sent, attempts included.
        num_open: Of those, the ones without a known outcome: their answer was broken, lost, or
            came after the job had been killed.
        open_cost: The most that these may have cost.

    Args:
        path: The file; it need not exist.

    Raises:
        DataError: If it was changed by hand.
        StorageError: If it can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.cost = self.open_cost = 0.0
        self.tokens_in = self.tokens_out = 0
        self.num_answers = self.num_sent = self.num_open = 0
        self._places: dict[str, int] = {}
        # Answers of no use, with the settings under which they are all that there is.
        self._faulty: dict[str, str] = {}
        self._working: set[str] = set()
        self._flying: Counter[str] = Counter()
        self._most: dict[str, float] = {}
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._file = LineFile(path)
        for place, values in self._file.rows():
            try:
                self._learn(place, values)
            except (KeyError, TypeError) as error:
                raise DataError(
                    f"a line of {path} is neither a request nor an answer",
                    seen=repr(values)[:60],
                    fix="Take back what was changed by hand.",
                ) from error
        self.give_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def holds(self, name: str, settings_hash: str) -> bool:
        """Returns whether there is an answer; one of no use counts under its own settings only.

        Args:
            name: The answer's, from `answer_id`.
            settings_hash: Names the present settings.
        """
        return name in self._places and self._faulty.get(name, settings_hash) == settings_hash

    def has_worked(self, translator: str) -> bool:
        """Returns whether a translator has given an answer of use.

        Args:
            translator: Backend and model.
        """
        return translator in self._working

    def spent(self, prefix: str) -> float:
        """Returns the most that one translator's requests have cost.

        Args:
            prefix: Begins the names of its answers.
        """
        return self._spent[prefix]

    def send(self, name: str, most_cost: float) -> None:
        """Records that a request is about to be sent.

        Args:
            name: The answer's, from `answer_id`.
            most_cost: The most that it may cost.
        """
        self._add({"sent": name, "most": most_cost})

    def refuse(self, name: str) -> None:
        """Records that a request was refused, which costs nothing.

        Args:
            name: The answer's, from `answer_id`.
        """
        self._add({"refused": name})

    def answer(self, name: str, made: CachedDraft) -> None:
        """Records an answer.

        Args:
            name: The answer's, from `answer_id`.
            made: The answer.
        """
        draft = made.draft
        self._add(
            {
                "answered": name,
                "texts": draft.texts,
                "fault": draft.fault,
                "is_hopeless": draft.is_hopeless,
                "tokens": [draft.tokens_in, draft.tokens_out],
                "cost": draft.cost,
                "translator": made.translator,
                "prompt": made.prompt_hash,
                "settings": made.settings_hash,
            }
        )

    def discard(self, name: str) -> None:
        """Records that an answer of no use isn't used; its cost stays.

        Args:
            name: The answer's, from `answer_id`.
        """
        self._add({"discarded": name})

    def lose(self, name: str, failure: TranslationFailure) -> None:
        """Records that a request failed.

        Args:
            name: The answer's, from `answer_id`.
            failure: Why.
        """
        self._add({"lost": name, "kind": failure.kind, "detail": failure.detail})

    def give_up(self) -> None:
        """Counts the requests in flight as open."""
        for name in list(self._flying):
            self._give_up(name, self._flying[name])

    def read(self, name: str) -> CachedDraft:
        """Returns an answer that is there.

        Args:
            name: The answer's, from `answer_id`.
        """
        values = self._file.read(self._places[name])
        tokens_in, tokens_out = values["tokens"]
        draft = Draft(
            texts=tuple(values["texts"]),
            fault=values["fault"],
            is_hopeless=values["is_hopeless"],
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost=values["cost"],
        )
        return CachedDraft(
            draft=draft,
            translator=values["translator"],
            prompt_hash=values["prompt"],
            settings_hash=values.get("settings", ""),
        )

    def _add(self, values: dict[str, Any]) -> None:
        self._learn(self._file.append(values), values)

    def _learn(self, place: int, values: dict[str, Any]) -> None:
        if (name := values.get("sent")) is not None:
            self.num_sent += 1
            self._flying[name] += 1
            self._most[name] = values["most"]
            return
        if (name := values.get("refused")) is not None:
            self._flying[name] -= 1
            return
        if (name := values.get("discarded")) is not None:
            self._places.pop(name, None)
            return
        name = values["answered"] if "answered" in values else values["lost"]
        # Each attempt before the one that was answered has ended in nothing.
        answered = "answered" in values
        self._give_up(name, self._flying[name] - answered)
        self._flying.pop(name, None)
        self._most.pop(name, None)
        if answered:
            self.num_answers += 1
            self.cost += values["cost"]
            self._spent[_prefix(name)] += values["cost"]
            self.tokens_in += values["tokens"][0]
            self.tokens_out += values["tokens"][1]
            self._places[name] = place
            self._judge(name, values)

    def _judge(self, name: str, values: dict[str, Any]) -> None:
        """Notes whether an answer is of use, and under which settings it isn't."""
        self._faulty.pop(name, None)
        if not values["fault"]:
            self._working.add(values["translator"])
        elif settings := values.get("settings", ""):
            self._faulty[name] = settings
        elif values["is_hopeless"]:
            # Versions before this one kept refusals of a request's form as if of its text.
            self._places.pop(name, None)

    def _give_up(self, name: str, count: int) -> None:
        if count > 0:
            self.num_open += count
            self.open_cost += count * self._most[name]
            self._spent[_prefix(name)] += count * self._most[name]
            self._flying[name] -= count


def _prefix(name: str) -> str:
    return name[: name.rfind(" ") + 1]
