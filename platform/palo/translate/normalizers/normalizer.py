"""What a rule is."""

import re
from collections.abc import Callable
from dataclasses import dataclass

HIDDEN = "\ue000"
"""Stands for one locked part in the text that rules see; a rule leaves each where it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalizer:
    """One habit of writing.

    Attributes:
        name: What it is about.
        apply: Returns a text in this habit; one that is in it already, as it is.
    """

    name: str
    apply: Callable[[str], str]


def replacing(name: str, pattern: str, replacement: str) -> Normalizer:
    """Returns a rule that replaces what a regular expression finds."""
    compiled = re.compile(pattern, re.MULTILINE)
    return Normalizer(name=name, apply=lambda text: compiled.sub(replacement, text))


def mapping(name: str, before: str, after: str) -> Normalizer:
    """Returns a rule that replaces single characters by others."""
    table = str.maketrans(before, after)
    return Normalizer(name=name, apply=lambda text: text.translate(table))
