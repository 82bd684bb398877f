"""Second opinions of a translation: itself translated back, and what another translator makes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from palo.text.messages import Turn
from palo.translate.backends.backend import Backend
from palo.translate.protected_spans.protect import protect_record
from palo.translate.request import TranslationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class SecondOpinions:
    """What else is asked about each translation that the gates don't refuse.

    Attributes:
        round_trip: Whether its translator translates it back.
        second: Another translator, who translates the same; None for nobody.
    """

    round_trip: bool = False
    second: Backend | None = None


def back_translation(unit: TranslationRequest, texts: Sequence[str]) -> TranslationRequest:
    """Returns what is asked for to have a translation translated back.

    Args:
        unit: What was translated.
        texts: Its translation, turn by turn.
    """
    turns = tuple(
        Turn(turn.role, text, turn.num_images)
        for turn, text in zip(unit.source.turns, texts, strict=True)
    )
    there = replace(unit.source, record_id=unit.key, language=unit.language, turns=turns)
    return protect_record(there, unit.source.language)
