"""Units of measure behind numbers, known by their symbols whatever a language calls them."""

import re
from functools import cache

from palo.translate.language_profiles.profile import language_profile
from palo.translate.protected_spans.numerals import whole_word

_SYMBOLS = ("km/h", "mph", "km", "cm", "mm", "kg", "mg", "°C", "°F", "kB", "MB", "GB", "kWh", "%")
# Many languages say "85 miles in an hour" with the time elsewhere.
DISTANCES = {"mph": "mi", "km/h": "km"}
"""What may stand behind a number for a unit of speed."""
_GAP = "[\u00a0\u202f -]?"


def unit_behind(text: str, place: int, language: str) -> tuple[str, int] | None:
    """Returns the unit that follows a number.

    Args:
        text: Any text.
        place: Number of the first character after the number.
        language: ISO 639-1 code of the text's language.

    Returns:
        The unit's symbol and the number of the character after it; None if no known unit follows.
    """
    pattern, symbols = _units(language)
    match = pattern.match(text, place)
    return None if match is None else (symbols[match[1].lower()], match.end())


@cache
def _units(language: str) -> tuple[re.Pattern[str], dict[str, str]]:
    symbols = {symbol.lower(): symbol for symbol in _SYMBOLS}
    for symbol, forms in language_profile(language).units.items():
        symbols |= {form.lower(): symbol for form in forms}
    longest_first = sorted(symbols, key=len, reverse=True)
    return re.compile(f"{_GAP}({'|'.join(map(whole_word, longest_first))})", re.IGNORECASE), symbols
