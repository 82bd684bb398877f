"""The text that the base language model reads: scenes in words, never an image."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase

from palo import languages
from palo.scenes.phrase_book import PhraseBook, phrase_book
from palo.scenes.questions import (
    SHARES,
    BalancedChoice,
    Kind,
    SceneFacts,
    all_facts,
    thing_at,
)
from palo.scenes.scene import PLACES, Scene, Thing, sample_scene_of
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES

BOUNDARY = "\t"
_MIN_ROUNDS, _MAX_ROUNDS = 2, 6
_SHARE_WITH_SYSTEM_TEXT = 0.3
_SHARE_OF_CAPTIONS = 0.1
_SHARE_OF_DESCRIPTIONS = 0.03
_SHARE_SMALL, _SMALL = 0.9, 2
# The second course asks more of what the first one teaches least.
_COUNTING_SHARES: Mapping[Kind, float] = {
    "colour": 0.5,
    "shape": 2.0,
    "place": 1.5,
    "at": 1.5,
    "count_shape": 1.0,
    "count_colour": 1.5,
    "count_all": 0.3,
    "beside": 1.5,
}
_SHARE_IN_ONE_LANGUAGE = 0.6
_SHARE_SHUFFLED = 0.3
_ROWS, _COLUMNS = ("top", "centre", "bottom"), ("left", "centre", "right")


def tokenizer_sentences(num_scenes: int, seed: int) -> Iterator[str]:
    """Yields text of every language from which the tokenizer learns its pieces.

    Where a script has no spaces, BOUNDARY stands around what a phrase book filled in: no piece may
    cross it, so that there too a word is made of the same pieces in every sentence.

    Args:
        num_scenes: Scenes that are described and asked about in each language.
        seed: Seed of the scenes and of the choice of wordings.
    """
    rng = random.Random(seed)  # noqa: S311
    books = [_bounded(phrase_book(code)) for code in languages.BUILT_IN]
    for _ in range(num_scenes):
        # As often as the scenes, for every conversation begins with it.
        yield f"{TEMPLATES['vicuna_v1'].system_text} USER: ASSISTANT:"
        scene = sample_scene_of(rng, held_out=False)
        for book in books:
            facts = rng.choice(list(all_facts(scene)))
            yield book.ask(facts, rng.randrange(1 << 16))
            yield book.answer(facts)
            yield book.caption(scene)


def _bounded(book: PhraseBook) -> PhraseBook:
    if book.joiner:
        return book

    def slots(facts: SceneFacts) -> dict[str, str]:
        return {name: f"{BOUNDARY}{text}{BOUNDARY}" for name, text in book.slots(facts).items()}

    return replace(book, slots=slots)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """One conversation to learn from.

    Attributes:
        conversation: What is said; where it has `cells`, its first turn counts one image.
        template: How it is laid out, a key of TEMPLATES.
        cells: What stands for the image: for each cell of the grid the colour, the shape and the
            place in plain words, and in the course of counting how many are alike; empty where the
            cell is. No cells if words describe the scene.
    """

    conversation: Conversation
    template: str
    cells: tuple[str, ...] = ()


def lessons(
    num: int, seed: int, *, counting: bool = False, rehearsed: str | None = None
) -> Iterator[Lesson]:
    """Yields conversations in which words stand where an image would.

    A part of the conversations begins with a description, in the same language or in the registry's
    first one; the others have a few words for each cell of the scene.

    Args:
        num: How many.
        seed: Equal seeds give equal lessons.
        counting: Whether a cell also says how many things have its shape and how many its colour.
            Without it the scenes are small at first.
        rehearsed: Language of every second conversation; None for all languages alike.
    """
    course = f":{rehearsed}" * bool(rehearsed)
    rng = random.Random(f"{seed}:counting{course}" if counting else seed)  # noqa: S311
    codes = languages.BUILT_IN
    turn = codes if rehearsed is None else [c for code in codes for c in (code, rehearsed)]
    shares = _COUNTING_SHARES if counting else SHARES
    choices = {code: BalancedChoice(shares) for code in codes}
    for index in range(num):
        scene = _scene(rng, share_small=0 if counting else _SHARE_SMALL * (1 - index / num))
        all_cells = _cells(scene, counting=counting)
        book = phrase_book(turn[index % len(turn)])
        draw = rng.random()
        if draw < _SHARE_OF_CAPTIONS:
            turns = (
                Turn("user", book.ask_description(), num_images=1),
                Turn("assistant", book.caption(scene)),
            )
            yield Lesson(conversation=Conversation(turns), template="plain", cells=all_cells)
            continue
        described, cells = "", all_cells
        if draw < _SHARE_OF_CAPTIONS + _SHARE_OF_DESCRIPTIONS:
            words = book if rng.random() < _SHARE_IN_ONE_LANGUAGE else phrase_book(codes[0])
            described, cells = description(scene, words, rng), ()
        conversation = _chat(scene, described, book, choices[book.language], rng)
        yield Lesson(conversation=conversation, template="vicuna_v1", cells=cells)


def description(scene: Scene, book: PhraseBook, rng: random.Random) -> str:
    """Describes a scene, at times out of order.

    Args:
        scene: What to describe.
        book: In which language.
        rng: Decides the order.
    """
    things = list(scene.things)
    if rng.random() < _SHARE_SHUFFLED:
        rng.shuffle(things)
    return book.joiner.join(book.answer(thing_at(thing)) for thing in things)


def _scene(rng: random.Random, *, share_small: float) -> Scene:
    scene = sample_scene_of(rng, held_out=False)
    # Nothing teaches faster which word belongs to which than few things: the lessons begin there.
    while rng.random() < share_small and len(scene.things) > _SMALL:
        scene = sample_scene_of(rng, held_out=False)
    return scene


def _cells(scene: Scene, *, counting: bool) -> tuple[str, ...]:
    words = {thing.place: _words(thing, scene, counting=counting) for thing in scene.things}
    return tuple(words.get(place, "") for place in PLACES)


def _words(thing: Thing, scene: Scene, *, counting: bool) -> str:
    # Every cell has a word for its row and one for its column. With "top left", "top" and "left"
    # the words of one place would be part of another's, and attention confuses the two.
    words = f"{thing.colour} {thing.shape} {_ROWS[thing.row]} {_COLUMNS[thing.column]}"
    if not counting:
        return words
    same_shape = sum(other.shape == thing.shape for other in scene.things)
    same_colour = sum(other.colour == thing.colour for other in scene.things)
    # The pieces are pooled without an order, so the two counts need signs of their own.
    return f"{words}{same_shape}{ascii_lowercase[same_colour - 1]}"


def _chat(
    scene: Scene, described: str, book: PhraseBook, choice: BalancedChoice, rng: random.Random
) -> Conversation:
    candidates = list(all_facts(scene))
    rng.shuffle(candidates)
    chosen = choice.choose(candidates, rng.randint(_MIN_ROUNDS, _MAX_ROUNDS))
    rng.shuffle(chosen)
    turns: list[Turn] = []
    for number, facts in enumerate(chosen):
        question = book.ask(facts, rng.randrange(1 << 16))
        if number:
            turns.append(Turn("user", question))
        elif described:
            turns.append(Turn("user", f"{described}\n{question}"))
        else:
            turns.append(Turn("user", question, num_images=1))
        turns.append(Turn("assistant", book.answer(facts)))
    # The system text is long and always the same: most conversations go without it, to save time.
    system = None if rng.random() < _SHARE_WITH_SYSTEM_TEXT else ""
    return Conversation(tuple(turns), system=system)
