"""Writes conversations about scenes in words alone, as sources of text-only rows look.

Each begins with a description of its scene in the registry's first language, and the request for
one in another. So all questions can be answered without an image. Beside images that speak one
language, such rows teach a model to do in the others what it learns from images in the one.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palo import languages
from palo.scenes.corpus import llava_turns
from palo.scenes.described_lines import write_described_lines
from palo.scenes.phrase_book import PhraseBook, phrase_book, spoken_codes
from palo.scenes.questions import BalancedChoice, all_facts
from palo.scenes.scene import sample_scene_of

_NAME = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRowsConfig:
    """How many conversations to write.

    Attributes:
        per_language: Conversations in each language, each about a scene of its own; none of these
            scenes is drawn, and none is held out.
        num_rounds: Requests and answers in one of them, the description included; fewer where a
            scene has fewer questions.
        languages: ISO codes; empty means every language with a phrase book.
        seed: Equal configurations write equal bytes.
    """

    per_language: int = 50
    num_rounds: int = 3
    languages: tuple[str, ...] = ()
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is wrong, one clause each."""
        for name in ("per_language", "num_rounds"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        yield from languages.unknown_faults(self.languages)


def write_text_rows(folder: Path, config: TextRowsConfig) -> Path:
    """Writes the conversations, unless they are there.

    Args:
        folder: Where to write text.jsonl and, last, text.json.
        config: What to write.

    Returns:
        The file of conversations, as JSON lines in LLaVA's format.

    Raises:
        ConfigError: If the configuration is wrong.
        DataError: If a language has no phrase book.
        StorageError: If the folder can't be written.
    """
    return write_described_lines(folder, _NAME, config, _rows(config))


def _rows(config: TextRowsConfig) -> Iterator[dict[str, object]]:
    books = [phrase_book(code) for code in config.languages or spoken_codes()]
    choices = {book.language: BalancedChoice() for book in books}
    for index in range(config.per_language):
        for book in books:
            name = f"words:{config.seed}:{index}:{book.language}"
            rng = random.Random(name)  # noqa: S311 - no secrets
            yield {
                "id": f"words-{index:07d}-{book.language}",
                "language": book.language,
                "conversations": _turns(book, choices[book.language], rng, config.num_rounds),
            }


def _turns(
    book: PhraseBook, choice: BalancedChoice, rng: random.Random, num_rounds: int
) -> list[dict[str, str]]:
    scene = sample_scene_of(rng, held_out=False)
    candidates = list(all_facts(scene))
    rng.shuffle(candidates)
    shown = phrase_book(languages.codes()[0]).caption(scene)
    rounds = [(f"{shown}\n{book.ask_description()}", book.caption(scene))]
    chosen = choice.choose(candidates, num_rounds - 1)
    rounds += [(book.ask(one, rng.randrange(1 << 16)), book.answer(one)) for one in chosen]
    return llava_turns(rounds)
