"""Draws a board with a word, in any script, across a row of a scene that is empty."""

import random

from PIL import Image, ImageDraw, ImageFont

from palo.scenes.draw import IMAGE_SIDE, draw_scene
from palo.scenes.scene import NUM_COLUMNS, Scene
from palo.scenes.signs.fonts import Face

_OVERSAMPLING = 4
_ROW = IMAGE_SIDE // NUM_COLUMNS
_WIDTH, _HEIGHT = IMAGE_SIDE - 4, _ROW - 3
_MARGIN = 3
_LARGEST = 24
_BOARDS = (  # of the board, and of what is written on it
    ((250, 250, 246), (24, 24, 28)),
    ((244, 214, 70), (30, 28, 20)),
    ((28, 62, 120), (246, 248, 252)),
    ((34, 90, 58), (248, 248, 240)),
    ((60, 60, 64), (252, 252, 252)),
)


def empty_rows(scene: Scene) -> list[int]:
    """Returns the rows of a scene in which nothing stands, from the top.

    Args:
        scene: The scene.
    """
    return sorted(set(range(NUM_COLUMNS)) - {thing.row for thing in scene.things})


def draw_signed_scene(
    scene: Scene, row: int, word: str, face: Face, language: str, rng: random.Random
) -> Image.Image:
    """Draws a scene with a sign.

    Args:
        scene: What to draw beside it.
        row: Where the sign stands; nothing else does.
        word: What it says.
        face: The font.
        language: ISO code of the word: some letters have forms of a language's own.
        rng: Decides the colours, and all that `draw_scene` leaves to it.

    Returns:
        An RGB image of IMAGE_SIDE x IMAGE_SIDE pixels.

    Raises:
        ValueError: If something stands in the row.
    """
    if row not in empty_rows(scene):
        raise ValueError(f"row {row} isn't empty")
    image = draw_scene(scene, rng)
    board = _board(word, face, language, rng)
    left = (IMAGE_SIDE - _WIDTH) // 2 + rng.randint(-1, 1)
    top = row * _ROW + (_ROW - _HEIGHT) // 2 + rng.randint(-1, 1)
    image.paste(board, (left, top))
    return image


def _board(word: str, face: Face, language: str, rng: random.Random) -> Image.Image:
    ground, ink = rng.choice(_BOARDS)
    size = (_WIDTH * _OVERSAMPLING, _HEIGHT * _OVERSAMPLING)
    board = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(board)
    pen.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=ink, width=_OVERSAMPLING)
    font = _fitting(word, face, language, rng.uniform(0.8, 1.0))
    left, top, right, bottom = font.getbbox(word, language=language)
    place = ((size[0] - left - right) / 2, (size[1] - top - bottom) / 2)
    pen.text(place, word, fill=ink, font=font, language=language)
    return board.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)


def _fitting(word: str, face: Face, language: str, share: float) -> ImageFont.FreeTypeFont:
    """Returns the font in a size in which the word takes a share of the board, at most."""
    largest = _LARGEST * _OVERSAMPLING
    font = _font(face, largest)
    left, top, right, bottom = font.getbbox(word, language=language)
    room = [(side - 2 * _MARGIN) * _OVERSAMPLING for side in (_WIDTH, _HEIGHT)]
    fit = min(room[0] / (right - left), room[1] / (bottom - top), 1.0)
    return _font(face, int(largest * fit * share))


def _font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(
        str(face.path), size, index=face.number, layout_engine=ImageFont.Layout.RAQM
    )
