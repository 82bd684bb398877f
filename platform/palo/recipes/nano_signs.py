"""The embedded default that also learns to read: signs in ten languages among its scenes."""

from dataclasses import replace
from pathlib import Path

from palo.recipes.nano import nano
from palo.recipes.recipe import DRAWN, Recipe
from palo.scenes.signs.rows import QUESTIONS, ROWS, SignsConfig


def nano_signs() -> Recipe:
    """Nano on scenes and signs, scored by what held-out signs say.

    Its tower was made for shapes and colours and is frozen: this recipe is for trying how reading
    is trained and scored, and for larger towers, with the rows that it writes.
    """
    recipe = nano()
    assert recipe.scenes is not None
    return replace(
        recipe,
        output=Path("runs") / "nano-signs",
        signs=SignsConfig(),
        data=replace(
            recipe.data,
            more_instructions=Path(DRAWN) / ROWS,
            questions=Path(DRAWN) / QUESTIONS,
        ),
    )
