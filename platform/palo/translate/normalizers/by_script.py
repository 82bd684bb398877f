"""Rules of a language: its own file, or what its script and the registry tell."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from palo import languages
from palo.translate.normalizers import by_language
from palo.translate.normalizers.normalizer import Normalizer
from palo.translate.normalizers.parts import arabic_script, han
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

_SPACED = (*SPACING, no_space_before(",;!?"))
_BY_SCRIPT: Mapping[str, tuple[Normalizer, ...]] = {
    "Arab": (*arabic_script.LETTERS, *arabic_script.MARKS, *SPACING),
    "Hans": (*han.WIDTHS, *han.MARKS),
    "Hant": (*han.WIDTHS, *han.MARKS),
    "Jpan": (*han.WIDTHS, *han.MARKS),
}


@cache
def normalizers_of(language: str) -> tuple[Normalizer, ...]:
    """Returns the rules of a language in the order in which they work.

    Args:
        language: ISO 639-1 code.
    """
    name = f"{by_language.__name__}.{language}"
    if find_spec(name) is not None:
        rules: tuple[Normalizer, ...] = import_module(name).RULES
        return rules
    return _BY_SCRIPT.get(languages.get(language).script, _SPACED)
