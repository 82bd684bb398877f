import random

import numpy as np
import pytest

from palo.scenes.draw import IMAGE_SIDE, OUTLINES, draw_scene, png_bytes
from palo.scenes.scene import COLOURS, PLACES, SHAPES, Scene, Thing


def pixels(thing: Thing, seed: int = 0) -> np.ndarray:
    image = draw_scene(Scene(things=(thing,)), random.Random(seed))
    assert image.size == (IMAGE_SIDE, IMAGE_SIDE)
    return np.asarray(image).astype(int)


def test_every_shape_can_be_drawn():
    assert set(OUTLINES) == set(SHAPES)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_thing_stays_in_its_cell(shape):
    for cell in range(len(PLACES)):
        thing = Thing(cell=cell, shape=shape, colour="black")
        ink = (pixels(thing, seed=cell).sum(axis=2) < 500).reshape(3, 32, 3, 32).any(axis=(1, 3))
        assert list(np.flatnonzero(ink)) == [cell]


def test_colours_differ_more_than_their_shades():
    centres = [
        pixels(Thing(cell=4, shape="square", colour=c), seed=s)[48, 48]
        for c in COLOURS
        for s in range(3)
    ]
    for i, one in enumerate(centres):
        for j, other in enumerate(centres):
            distance = np.abs(one - other).max()
            assert (distance <= 24) if i // 3 == j // 3 else (distance > 48)


def test_drawings_repeat_with_their_seed_only():
    thing = Thing(cell=0, shape="moon", colour="green")
    assert (pixels(thing, 1) == pixels(thing, 1)).all()
    assert (pixels(thing, 1) != pixels(thing, 2)).any()


def test_png_bytes_are_a_png():
    thing = Thing(cell=0, shape="moon", colour="green")
    image = draw_scene(Scene(things=(thing,)), random.Random(0))
    assert png_bytes(image).startswith(b"\x89PNG")
