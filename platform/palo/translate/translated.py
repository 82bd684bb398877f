"""A translated conversation with the account of how it came to be."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from palo.data.records import Record
from palo.text.messages import Turn


class Decision(IntEnum):
    """What becomes of a translation; the gravest of its gates' decisions holds."""

    ACCEPT = 0
    RETRY = 1
    REVIEW = 2
    QUARANTINE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """What one gate says of one translation.

    Attributes:
        gate: Name of the gate.
        decision: What it asks for.
        reason: What it saw, in a plain English sentence; empty where it accepts.
        turn: Number of the turn that it is about, None for the whole conversation.
        doubt: From 0, surely right, to 1, surely wrong; reviewers see the most doubtful first.
    """

    gate: str
    decision: Decision = Decision.ACCEPT
    reason: str = ""
    turn: int | None = None
    doubt: float = 0.0


def decide(results: Iterable[CheckResult]) -> Decision:
    """Returns the gravest decision of some gates, to accept without any."""
    return max((result.decision for result in results), default=Decision.ACCEPT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Translated:
    """A conversation in another language.

    Attributes:
        source: The conversation that it was made from.
        language: ISO 639-1 code of its own language.
        texts: The words of its turns, marks replaced.
        translator: Backend and model that made it.
        prompt_hash: Names the prompt that was used; empty for a backend without one.
        attempt: How often it had been tried before.
        gates: What the gates say of it.
        reviewer: Who has approved or corrected it; empty if nobody has.
    """

    source: Record
    language: str
    texts: tuple[str, ...]
    translator: str
    prompt_hash: str = ""
    attempt: int = 0
    gates: tuple[CheckResult, ...] = ()
    reviewer: str = ""

    @property
    def key(self) -> str:
        """Names it in a job: the record that it was made from and the language."""
        return f"{self.source.record_id}>{self.language}"

    @property
    def doubt(self) -> float:
        """The greatest doubt of its gates."""
        return max((result.doubt for result in self.gates), default=0.0)

    @property
    def record(self) -> Record:
        """The translation as a record of a corpus, with its provenance.

        Raises:
            ValueError: If it hasn't as many turns as its source.
        """
        pairs = zip(self.source.turns, self.texts, strict=True)
        gates = {result.gate: result.decision.name.lower() for result in self.gates}
        told = {"prompt": self.prompt_hash, "reviewer": self.reviewer}
        return Record(
            record_id=self.key,
            language=self.language,
            source=self.source.source,
            licence=self.source.licence,
            image=self.source.image,
            turns=tuple(Turn(turn.role, text, turn.num_images) for turn, text in pairs),
            origin_record_id=self.source.record_id,
            translator=self.translator,
            gates=gates | {name: value for name, value in told.items() if value},
        )
