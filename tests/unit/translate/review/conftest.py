"""Translations to review."""

from collections.abc import Callable

import pytest

from palo.data.records import Record
from palo.text.messages import Turn
from palo.translate.translated import Decision, GateResult, Translated

WORDS = {
    "ar": ("كم تفاحة في الصورة؟", "في الصورة 3 تفاحات."),
    "ur": ("تصویر میں کتنے سیب ہیں؟", "تصویر میں 3 سیب ہیں۔"),
    "hi": ("चित्र में कितने सेब हैं?", "चित्र में 3 सेब हैं।"),
    "bn": ("ছবিতে কয়টি আপেল আছে?", "ছবিতে 3টি আপেল আছে।"),
}


@pytest.fixture
def translation() -> Callable[..., Translated]:
    """Makes a translation; `number` makes it another one."""

    def make(
        number: int = 0,
        language: str = "ar",
        *,
        doubt: float = 0.0,
        decision: Decision = Decision.ACCEPT,
        texts: tuple[str, ...] | None = None,
        image: str | None = None,
    ) -> Translated:
        source = Record(
            record_id=f"photos/{number}@1",
            language="en",
            source="photos",
            licence="CC-BY-4.0",
            image=image,
            turns=(
                Turn("user", "How many apples are in the picture?", 1 if image else 0),
                Turn("assistant", "There are 3 apples in the picture."),
            ),
        )
        reason = "the answer is much shorter than its source" if decision else ""
        gate = GateResult(gate="length", decision=decision, reason=reason, turn=1, doubt=doubt)
        return Translated(
            source=source,
            language=language,
            texts=texts or WORDS[language],
            translator="apertium",
            gates=(gate,),
        )

    return make
