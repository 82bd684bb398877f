"""A scene: one to four things, each a coloured shape in its own cell of a three by three grid."""

import hashlib
import random
from dataclasses import dataclass

SHAPES = ("circle", "square", "star", "heart", "moon", "arrow")
COLOURS = ("red", "blue", "green", "yellow", "black", "purple")
PLACES = (
    "top_left",
    "top",
    "top_right",
    "left",
    "centre",
    "right",
    "bottom_left",
    "bottom",
    "bottom_right",
)
NUM_COLUMNS = 3
MAX_THINGS = 4
_HELD_OUT_PART = 8


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Thing:
    """One drawn object.

    Attributes:
        cell: Index into PLACES, row by row.
        shape: One of SHAPES.
        colour: One of COLOURS.
    """

    cell: int
    shape: str
    colour: str

    @property
    def place(self) -> str:
        """The name of its cell."""
        return PLACES[self.cell]

    @property
    def row(self) -> int:
        """Its row from the top, 0 to 2."""
        return self.cell // NUM_COLUMNS

    @property
    def column(self) -> int:
        """Its column from the left, 0 to 2."""
        return self.cell % NUM_COLUMNS


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What an image shows.

    Attributes:
        things: The things in reading order, in distinct cells.
    """

    things: tuple[Thing, ...]

    @property
    def held_out(self) -> bool:
        """Returns, by its content alone, whether it is held out, as about one in eight is.

        No seed and no corpus size can therefore bring a held-out scene into training.
        """
        text = ";".join(f"{t.cell},{t.shape},{t.colour}" for t in self.things)
        return hashlib.sha256(text.encode()).digest()[0] % _HELD_OUT_PART == 0


def sample_scene(rng: random.Random) -> Scene:
    """Draws a scene at random.

    A family of one to four things shares a shape or a colour, so that every count is common; no two
    things are alike in both, so that a colour and a shape name one thing.

    Args:
        rng: Source of randomness; equal states give equal scenes.

    Returns:
        The scene, on either side of the split.
    """
    num_family = rng.randint(1, MAX_THINGS)
    num_others = rng.randint(0, MAX_THINGS - num_family)
    if rng.random() < 0.5:
        shape = rng.choice(SHAPES)
        looks = [(shape, colour) for colour in rng.sample(COLOURS, num_family)]
    else:
        colour = rng.choice(COLOURS)
        looks = [(shape, colour) for shape in rng.sample(SHAPES, num_family)]
    rest = [
        (shape, colour) for shape in SHAPES for colour in COLOURS if (shape, colour) not in looks
    ]
    looks += rng.sample(rest, num_others)
    cells = rng.sample(range(len(PLACES)), len(looks))
    things = (
        Thing(cell=cell, shape=shape, colour=colour)
        for cell, (shape, colour) in zip(cells, looks, strict=True)
    )
    return Scene(things=tuple(sorted(things)))


def sample_scene_of(rng: random.Random, *, held_out: bool) -> Scene:
    """Draws scenes until one is on the wanted side of the split.

    Args:
        rng: Source of randomness.
        held_out: The wanted side.

    Returns:
        The first scene of that side.
    """
    while True:
        scene = sample_scene(rng)
        if scene.held_out == held_out:
            return scene
