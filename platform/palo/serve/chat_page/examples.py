"""Examples to click on: drawn images, and a question about each in every language."""

import random
from dataclasses import dataclass
from pathlib import Path

from palo import storage
from palo.errors import DataError
from palo.scenes.draw import draw_scene, png_bytes
from palo.scenes.phrase_book import phrase_book
from palo.scenes.questions import SceneFacts, all_facts
from palo.scenes.scene import sample_scene_of

_KINDS = ("count_all", "colour", "place", "beside")
_DEFAULT = "en"
_SEED = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class PageExample:
    """An image with a question.

    Attributes:
        image: Its file.
        facts: The subject of its question, in no language yet.
    """

    image: Path
    facts: SceneFacts

    def question(self, code: str) -> str:
        """Returns the question in a language; in English if the language has no phrase book.

        Args:
            code: ISO code of the page's language.
        """
        try:
            return phrase_book(code).ask(self.facts)
        except DataError:
            return phrase_book(_DEFAULT).ask(self.facts)


def draw_examples(folder: Path) -> tuple[PageExample, ...]:
    """Draws the examples, always the same ones, from scenes that no model was trained on.

    Args:
        folder: Where the images go.
    """
    rng = random.Random(_SEED)  # noqa: S311 - not for secrets
    examples: list[PageExample] = []
    while len(examples) < len(_KINDS):
        scene = sample_scene_of(rng, held_out=True)
        wanted = _KINDS[len(examples)]
        facts = [fact for fact in all_facts(scene) if fact.kind == wanted]
        if facts and len(scene.things) > 2:
            path = folder / f"{wanted}.png"
            storage.write_bytes(path, png_bytes(draw_scene(scene, rng)))
            examples.append(PageExample(image=path, facts=facts[0]))
    return tuple(examples)
