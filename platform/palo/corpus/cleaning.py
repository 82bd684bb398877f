"""What happens to records on their way from source to sample."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class CleaningSettings:
    """What is cleaned, and what is left out.

    Attributes:
        normal_form: Write every turn in one way: composed characters, LF, no residue of scraping or
            translation. Off for the very text of LLaVA.
        other_language: A record whose answers are mostly in another language than it says is
            dropped, or kept and counted; off doesn't look.
        duplicates: Of records with the same language, image and turns only the first stays, or
            all of them.
        near_duplicates: Of records with the same language and image whose texts are at least so
            similar, from 0.5 to 1, only the first stays; None doesn't look.
    """

    normal_form: bool = True
    other_language: Literal["drop", "keep", "off"] = "drop"
    duplicates: Literal["drop", "keep"] = "drop"
    near_duplicates: float | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.near_duplicates is not None and not 0.5 <= self.near_duplicates <= 1:
            yield f"near_duplicates must be from 0.5 to 1, not {self.near_duplicates}"


AS_IT_IS = CleaningSettings(normal_form=False, other_language="off", duplicates="keep")
"""Nothing is cleaned: what LLaVA's own scripts would train on."""
