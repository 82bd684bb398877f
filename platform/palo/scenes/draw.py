"""Draws a scene as a small anti-aliased image that is a little different each time."""

import io
import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from palo.scenes.scene import NUM_COLUMNS, Scene

IMAGE_SIDE = 96
_OVERSAMPLING = 3
_CELL = IMAGE_SIDE // NUM_COLUMNS
_COLOURS = {
    "red": (214, 40, 40),
    "blue": (36, 84, 214),
    "green": (36, 150, 60),
    "yellow": (242, 200, 20),
    "black": (24, 24, 28),
    "purple": (140, 50, 170),
}

Point = tuple[float, float]


def draw_scene(scene: Scene, rng: random.Random) -> Image.Image:
    """Draws a scene.

    Args:
        scene: What to draw.
        rng: Decides the background, the shades, and each thing's size and exact place in its cell.

    Returns:
        An RGB image of IMAGE_SIDE x IMAGE_SIDE pixels.
    """
    background = tuple(rng.randint(226, 255) for _ in range(3))
    side = IMAGE_SIDE * _OVERSAMPLING
    image = Image.new("RGB", (side, side), background)
    pen = ImageDraw.Draw(image)
    for thing in scene.things:
        radius = rng.uniform(9.5, 12.5)
        margin = _CELL / 2 - radius - 1
        x = (thing.column + 0.5) * _CELL + rng.uniform(-margin, margin)
        y = (thing.row + 0.5) * _CELL + rng.uniform(-margin, margin)
        shade = tuple(
            max(0, min(255, part + rng.randint(-12, 12))) for part in _COLOURS[thing.colour]
        )
        centre = (x * _OVERSAMPLING, y * _OVERSAMPLING)
        outline = OUTLINES[thing.shape](centre, radius * _OVERSAMPLING)
        pen.polygon(outline, fill=shade)
    return image.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS)


def png_bytes(image: Image.Image) -> bytes:
    """Returns an image as the bytes of a PNG file.

    Args:
        image: The image.
    """
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _placed(points: list[Point], centre: Point, radius: float) -> list[Point]:
    return [(centre[0] + x * radius, centre[1] + y * radius) for x, y in points]


def _arc(num_points: int, radius: float, start: float, end: float) -> list[Point]:
    angles = [start + (end - start) * i / (num_points - 1) for i in range(num_points)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def _circle(centre: Point, radius: float) -> list[Point]:
    return _placed(_arc(48, 0.95, 0, 2 * math.pi), centre, radius)


def _square(centre: Point, radius: float) -> list[Point]:
    return _placed([(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)], centre, radius)


def _star(centre: Point, radius: float) -> list[Point]:
    angles = [math.pi * (i / 5 - 0.5) for i in range(10)]
    reach = [1.1, 0.45] * 5
    points = [(r * math.cos(a), r * math.sin(a)) for r, a in zip(reach, angles, strict=True)]
    return _placed(points, centre, radius)


def _heart(centre: Point, radius: float) -> list[Point]:
    points = []
    for i in range(48):
        a = 2 * math.pi * i / 48
        x = 16 * math.sin(a) ** 3
        y = 13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)
        points.append((x / 16, -(y + 2) / 16))
    return _placed(points, centre, radius)


def _moon(centre: Point, radius: float) -> list[Point]:
    outer = _arc(32, 1.0, math.pi * 0.3, math.pi * 1.7)
    tip_x, tip_y = outer[-1]
    inner_radius = math.hypot(tip_x - 0.55, tip_y)
    angle = math.atan2(tip_y, tip_x - 0.55) % (2 * math.pi)
    hollow = _arc(24, inner_radius, angle, 2 * math.pi - angle)
    return _placed(outer + [(x + 0.55, y) for x, y in hollow], centre, radius)


def _arrow(centre: Point, radius: float) -> list[Point]:
    points = [
        (-1.0, -0.28),
        (0.1, -0.28),
        (0.1, -0.85),
        (1.0, 0.0),
        (0.1, 0.85),
        (0.1, 0.28),
        (-1.0, 0.28),
    ]
    return _placed(points, centre, radius)


OUTLINES: dict[str, Callable[[Point, float], list[Point]]] = {
    "circle": _circle,
    "square": _square,
    "star": _star,
    "heart": _heart,
    "moon": _moon,
    "arrow": _arrow,
}
