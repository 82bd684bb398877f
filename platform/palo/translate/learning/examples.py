"""Training examples from a review: turns with their approved translations."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from palo.translate.review.item import Item
from palo.translate.translated import Translated


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationExample:
    """One turn.

    Attributes:
        translated: The conversation, as it was translated before the review.
        turn: Number of the turn, from 0.
        wanted: The turn's words as a reviewer approved them.
        tags: Kinds of faults that the reviewer found in the conversation.
    """

    translated: Translated
    turn: int
    wanted: str
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the example."""
        return f"{self.translated.key}#{self.turn + 1}"

    @property
    def language(self) -> str:
        """ISO 639-1 code of the language that it is translated into."""
        return self.translated.language

    @property
    def source(self) -> str:
        """The words to translate."""
        return self.translated.source.turns[self.turn].text

    @property
    def draft(self) -> str:
        """The words before the review."""
        return self.translated.texts[self.turn]


def examples_of(items: Iterable[Item]) -> list[TranslationExample]:
    """Returns the turns of all approved translations, each turn of a conversation in its order.

    Args:
        items: What was reviewed.
    """
    found = []
    for item in items:
        if (approved := item.approved) is None:
            continue
        tags = tuple(sorted({tag for said in item.latest.values() for tag in said.tags}))
        found += [
            TranslationExample(translated=item.translated, turn=number, wanted=text, tags=tags)
            for number, text in enumerate(approved.texts)
        ]
    return found


def divide(
    examples: Iterable[TranslationExample], held_out_share: float, seed: int = 0
) -> tuple[list[TranslationExample], list[TranslationExample]]:
    """Divides examples into a training part and a held-out part.

    All translations of a conversation, and all conversations about an image, are on one side, and
    nothing is held out that is also learnt, such as a question that many conversations ask: a
    translator that has seen a sentence, or its neighbour, would seem better than it is.

    Args:
        examples: Any number.
        held_out_share: Share that is held out, from 0 to 1.
        seed: Seed of the draw.

    Returns:
        What to learn from, and what is held out.
    """
    learnt: list[TranslationExample] = []
    held_out: list[TranslationExample] = []
    for example in examples:
        source = example.translated.source
        digest = hashlib.sha256(f"{seed} {source.image or source.record_id}".encode()).digest()
        is_held_out = int.from_bytes(digest[:6]) < held_out_share * (1 << 48)
        (held_out if is_held_out else learnt).append(example)
    seen = {(example.language, example.source) for example in learnt}
    return learnt, [one for one in held_out if (one.language, one.source) not in seen]
