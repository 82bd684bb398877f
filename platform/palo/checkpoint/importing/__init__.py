"""Weights of other projects, made a finished stage or a part of ours, once.

    stage = open_model(Path("MBZUAI/PALO-7B"))     # a run of ours, too: it is returned as it is
    parts = open_parts(recipe.parts)
    start = open_projector(Path("mm_projector.bin"))

`layouts` has the tables of names, `recognise` finds out what a folder holds, `plan` checks that all
of it fits, `copying` writes it in one pass over each file, and `cache` keeps it by its content.
"""

from palo.checkpoint.importing.opening import (
    ImportOptions,
    looks_foreign,
    open_model,
    open_shared_model,
)
from palo.checkpoint.importing.opening_parts import open_part, open_parts, open_projector

__all__ = [
    "ImportOptions",
    "looks_foreign",
    "open_model",
    "open_part",
    "open_parts",
    "open_projector",
    "open_shared_model",
]
