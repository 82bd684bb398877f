"""Writes sentences about scenes that mean the same in every language, as parallel text."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palo import languages
from palo.scenes.described_lines import write_described_lines
from palo.scenes.phrase_book import phrase_book, spoken_codes
from palo.scenes.questions import BalancedChoice, all_facts
from palo.scenes.scene import sample_scene_of

_NAME = "parallel"


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneTextConfig:
    """How much parallel text to write.

    Attributes:
        num_scenes: Scenes that are spoken about; none is drawn, and none is held out.
        num_facts: Facts of each, which give a question and an answer; fewer where it has fewer.
        languages: ISO codes; empty means every language with a phrase book.
        seed: Equal configurations write equal bytes.
    """

    num_scenes: int = 1_000
    num_facts: int = 2
    languages: tuple[str, ...] = ()
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is wrong, one clause each."""
        for name in ("num_scenes", "num_facts"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1"
        yield from languages.unknown_faults(self.languages)
        if len(self.languages) == 1:
            yield "languages must name at least two, or none for all"


def write_scene_text(folder: Path, config: SceneTextConfig) -> Path:
    """Writes parallel text, a line for each question and each answer, unless it is there.

    Args:
        folder: Where to write parallel.jsonl and, last, parallel.json.
        config: What to write.

    Returns:
        The file of lines.

    Raises:
        ConfigError: If the configuration is wrong.
        DataError: If a language has no phrase book.
        StorageError: If the folder can't be written.
    """
    return write_described_lines(folder, _NAME, config, _lines(config))


def _lines(config: SceneTextConfig) -> Iterator[dict[str, str]]:
    books = [phrase_book(code) for code in config.languages or spoken_codes()]
    choice = BalancedChoice()
    for index in range(config.num_scenes):
        rng = random.Random(f"text:{config.seed}:{index}")  # noqa: S311 - no secrets
        candidates = list(all_facts(sample_scene_of(rng, held_out=False)))
        rng.shuffle(candidates)
        for fact in choice.choose(candidates, config.num_facts):
            wording = rng.randrange(1 << 16)
            yield {book.language: book.ask(fact, wording) for book in books}
            yield {book.language: book.answer(fact) for book in books}
