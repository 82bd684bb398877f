"""Questions about a scene with exactly one right answer, and a choice that balances answers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from palo.scenes.scene import (
    COLOURS,
    MAX_THINGS,
    PLACES,
    SHAPES,
    Scene,
    Thing,
)

Kind = Literal[
    "colour", "shape", "place", "at", "count_shape", "count_colour", "count_all", "beside"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIDES = ("left", "right", "above", "below")
FIGURE = "figure"
"""Stands for a shape of any kind, where a question names none."""

SHARES: Mapping[Kind, float] = {
    "colour": 1.0,
    "shape": 1.0,
    "place": 1.0,
    "at": 1.0,
    "count_shape": 0.7,
    "count_colour": 0.7,
    "count_all": 0.6,
    "beside": 0.7,
}
"""Shares of the kinds of question: a plain count is guessed most easily and asked least."""
_NUM_ANSWERS: dict[Kind, int] = {
    "colour": len(COLOURS),
    "shape": len(SHAPES),
    "place": len(PLACES),
    "at": len(SHAPES) * len(COLOURS),
    "count_shape": MAX_THINGS,
    "count_colour": MAX_THINGS,
    "count_all": MAX_THINGS,
    "beside": len(SHAPES) * len(COLOURS),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneFacts:
    """A question and its answer, as facts that any language can word.

    Attributes:
        kind: What is asked.
        shape: The shape that is asked for or spoken of; FIGURE where any shape is meant.
        colour: The colour that is asked for or spoken of; empty where none is.
        place: The place that is asked for or spoken of; empty where none is.
        count: The number that is asked for; 0 where none is.
        side: For `beside`, on which side of the anchor the thing is; one of SIDES.
        anchor_shape: For `beside`, the shape of the thing next to which one looks.
        anchor_colour: For `beside`, its colour.
    """

    kind: Kind
    shape: str = FIGURE
    colour: str = ""
    place: str = ""
    count: int = 0
    side: str = ""
    anchor_shape: str = ""
    anchor_colour: str = ""

    def __post_init__(self) -> None:
        if self.kind.startswith("count") and not 1 <= self.count <= MAX_THINGS:
            raise ValueError(
                f"{self.kind} asks for {self.count} things, but sentences are worded for 1 to"
                f" {MAX_THINGS}: ask for what is there"
            )

    @property
    def answer(self) -> tuple[str, ...]:
        """What the answer says beyond the question."""
        match self.kind:
            case "colour":
                return (self.colour,)
            case "shape":
                return (self.shape,)
            case "place":
                return (self.place,)
            case "at" | "beside":
                return (self.colour, self.shape)
            case "count_shape" | "count_colour" | "count_all":
                return (str(self.count),)


def thing_at(thing: Thing) -> SceneFacts:
    """Returns what is at a thing's place: the fact of which captions are made.

    Args:
        thing: The thing.
    """
    return SceneFacts(kind="at", shape=thing.shape, colour=thing.colour, place=thing.place)


def all_facts(scene: Scene) -> Iterator[SceneFacts]:
    """Yields every question that this scene answers in exactly one way.

    Args:
        scene: The scene.
    """
    shapes = Counter(thing.shape for thing in scene.things)
    colours = Counter(thing.colour for thing in scene.things)
    for thing in scene.things:
        if shapes[thing.shape] == 1:
            yield SceneFacts(kind="colour", shape=thing.shape, colour=thing.colour)
        if colours[thing.colour] == 1:
            yield SceneFacts(kind="shape", shape=thing.shape, colour=thing.colour)
        seen = thing_at(thing)
        yield replace(seen, kind="place")
        yield seen
        yield from _beside(scene, thing)
    yield from (SceneFacts(kind="count_shape", shape=s, count=n) for s, n in shapes.items())
    yield from (SceneFacts(kind="count_colour", colour=c, count=n) for c, n in colours.items())
    yield SceneFacts(kind="count_all", count=len(scene.things))


def _beside(scene: Scene, anchor: Thing) -> Iterator[SceneFacts]:
    for side in SIDES:
        there = [thing for thing in scene.things if _is_on_side(thing, anchor, side)]
        # A second thing further up or down would also be "to the left": then nothing is asked.
        if len(there) == 1 and (there[0].row == anchor.row or there[0].column == anchor.column):
            yield SceneFacts(
                kind="beside",
                shape=there[0].shape,
                colour=there[0].colour,
                side=side,
                anchor_shape=anchor.shape,
                anchor_colour=anchor.colour,
            )


def _is_on_side(thing: Thing, anchor: Thing, side: str) -> bool:
    match side:
        case "left":
            return thing.column < anchor.column
        case "right":
            return thing.column > anchor.column
        case "above":
            return thing.row < anchor.row
    return thing.row > anchor.row


class BalancedChoice:
    """Chooses questions so that kinds keep their shares and the answers of a kind are even.

    It remembers what it gave and gives what it gave least, so that a model which does not look at
    the image can't profit from a frequent answer.

    Args:
        shares: How often each kind is asked, in relation to the others.
    """

    def __init__(self, shares: Mapping[Kind, float] = SHARES) -> None:
        self._shares = shares
        self._given: Counter[tuple[str, ...]] = Counter()

    def choose(self, candidates: Sequence[SceneFacts], num_questions: int) -> list[SceneFacts]:
        """Chooses some questions of one scene.

        Args:
            candidates: The questions that the scene answers, in an order that decides ties.
            num_questions: How many to choose.

        Returns:
            At most `num_questions` distinct questions, fewer only if there are fewer.
        """
        left = list(candidates)
        chosen: list[SceneFacts] = []
        while left and len(chosen) < num_questions:
            best = min(left, key=self._share)
            left.remove(best)
            chosen.append(best)
            self._given[best.kind, *best.answer] += 1
        return chosen

    def _share(self, facts: SceneFacts) -> float:
        given = self._given[facts.kind, *facts.answer]
        return given * _NUM_ANSWERS[facts.kind] / self._shares[facts.kind]
