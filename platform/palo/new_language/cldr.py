"""What Unicode's Common Locale Data Repository says of a language, as the package babel holds it.

Babel leaves quotation marks, exemplar letters and the names of digits out. The letters are taken
from the repository's own words in the language, some thousand names of languages, scripts and
territories; the digits from Unicode's names of characters; marks follow the script.

Source: Unicode Technical Standard #35, Unicode Locale Data Markup Language.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from babel import Locale, UnknownLocaleError, localedata
from babel import __version__ as babel_version
from babel.core import get_global

from palo import languages
from palo.errors import ConfigError

_CODE = re.compile(r"[a-z]{2,3}")
# Numbering systems whose digits Unicode names otherwise than their script.
_DIGITS = {"latn": "", "arab": "ARABIC-INDIC ", "arabext": "EXTENDED ARABIC-INDIC "}
_UNITS = {
    "km": "length-kilometer", "mi": "length-mile", "m": "length-meter", "cm": "length-centimeter",
    "mm": "length-millimeter", "ft": "length-foot", "in": "length-inch", "yd": "length-yard",
    "kg": "mass-kilogram", "lb": "mass-pound", "oz": "mass-ounce", "g": "mass-gram",
    "mg": "mass-milligram", "t": "mass-tonne", "l": "volume-liter", "ml": "volume-milliliter",
    "gal": "volume-gallon", "km/h": "speed-kilometer-per-hour", "m/s": "speed-meter-per-second",
    "mph": "speed-mile-per-hour", "%": "concentr-percent", "h": "duration-hour",
    "min": "duration-minute", "s": "duration-second", "°": "angle-degree",
    "°C": "temperature-celsius", "°F": "temperature-fahrenheit",
}  # fmt: skip
_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
_SLOT = "{0}"
# So few of a language's words have its foreign letters.
_LEAST_LETTER_SHARE = 2e-4
_MOST_COUNT = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class CldrFacts:
    """What the repository says of a language.

    Attributes:
        code: Its code in the repository, of ISO 639-1 where there is one.
        name: English name.
        native_name: Its name in itself.
        script: ISO 15924 code of its usual script.
        direction: Direction of its lines.
        digits: Its usual digits, from zero to nine.
        other_codes: Its other codes, of ISO 639-2 and 639-3.
        decimal: Mark before the decimals.
        group: Mark between thousands.
        letters: Letters and marks of its words, each with its share of them, most frequent first.
        months: Its names of months, from January.
        magnitudes: Powers of ten by the words for them.
        units: Names of units by the symbols of language profiles.
        plurals: For each number from 0 to 4 the form of the noun beside it, as the repository calls
            it: one, two, few, many, other.
        final_and: How the last two of several things are joined, with {0} and {1}.
        names_elsewhere: Its name in each of the built-in languages.
        names_here: Names of the built-in languages in it.
    """

    code: str
    name: str
    native_name: str
    script: str
    direction: Literal["ltr", "rtl"]
    digits: str
    other_codes: tuple[str, ...]
    decimal: str
    group: str
    letters: Mapping[str, float]
    months: tuple[str, ...]
    magnitudes: Mapping[str, int]
    units: Mapping[str, tuple[str, ...]]
    plurals: tuple[str, ...]
    final_and: str
    names_elsewhere: Mapping[str, str]
    names_here: Mapping[str, str]


def cldr_version() -> str:
    """Returns which release of the repository the installed babel holds, for people."""
    return f"CLDR {get_global('cldr')['version']} (babel {babel_version})"


def checked_code(text: str) -> str:
    """Returns the code of a language that can be added.

    Args:
        text: What a user calls the language.

    Raises:
        ConfigError: If it is no bare code, an old one, a built-in language, or is unknown to CLDR.
    """
    code = text.strip()
    if not _CODE.fullmatch(code):
        bare = re.split(r"[-_.@]", code, maxsplit=1)[0].lower()
        hint = f"Use {bare}" if _CODE.fullmatch(bare) else "Use its ISO 639-1 code, such as sw"
        raise ConfigError(
            "a language's code has two or three small Latin letters, without a region or script",
            seen=repr(text),
            fix=f"{hint}.",
        )
    usual = str(get_global("language_aliases").get(code, code))
    if usual != code:
        raise ConfigError(
            "CLDR knows this language by another code", seen=code, fix=f"Use {usual}."
        )
    if code in languages.BUILT_IN:
        raise ConfigError(
            "this language is built in: there is nothing to add",
            seen=code,
            fix="Its files are in the package; docs/extend.md lists them.",
        )
    if not localedata.exists(code):
        raise ConfigError(
            f"{cldr_version()} knows no language of this code",
            seen=code,
            fix="Look for its ISO 639 code, or write its files by hand: see docs/add_language.md.",
        )
    return code


def read_cldr(code: str) -> CldrFacts:
    """Returns what the repository says of a language.

    Args:
        code: Its code; `checked_code` says whether there is data.

    Raises:
        ConfigError: If the repository lacks the language's names or its usual script.
    """
    try:
        locale, english = Locale.parse(code), Locale.parse("en")
    except (UnknownLocaleError, ValueError) as error:
        raise ConfigError("CLDR has no data", seen=code, fix="Choose another code.") from error
    likely = str(get_global("likely_subtags").get(code, "")).split("_")
    native = locale.languages.get(code)
    if len(likely) < 2 or code not in english.languages or native is None:
        raise ConfigError(
            f"{cldr_version()} has too little of this language",
            seen=code,
            fix="Write its files by hand: see docs/add_language.md.",
        )
    symbols = _symbols(locale)
    return CldrFacts(
        code=code,
        name=english.languages[code],
        native_name=native[0].upper() + native[1:],
        script=likely[1],
        direction="rtl" if locale.text_direction == "rtl" else "ltr",
        digits=_digits(locale, english),
        other_codes=_other_codes(code),
        decimal=symbols.get("decimal", "."),
        group=symbols.get("group", ","),
        letters=_letters(locale, likely[1]),
        months=tuple(
            _clean(name) for _, name in sorted(locale.months["stand-alone"]["wide"].items())
        ),
        magnitudes=_magnitudes(locale),
        units=_units(locale),
        plurals=tuple(str(locale.plural_form(count)) for count in range(_MOST_COUNT + 1)),
        final_and=_clean(locale.list_patterns["standard"]["end"]),
        names_elsewhere={
            other: name
            for other in languages.BUILT_IN
            if (name := Locale.parse(other).languages.get(code))
        },
        names_here={
            other: name for other in languages.BUILT_IN if (name := locale.languages.get(other))
        },
    )


def _clean(text: str) -> str:
    """Returns a text without marks that only steer its direction."""
    return "".join(c for c in text if c not in "\u061c\u200e\u200f").strip()


def _other_codes(code: str) -> tuple[str, ...]:
    """Returns the codes of three letters that mean the language, of ISO 639-2 and 639-3."""
    aliases = get_global("language_aliases")
    return tuple(sorted(a for a, usual in aliases.items() if usual == code and len(a) == 3))


def _symbols(locale: Locale) -> Mapping[str, str]:
    """Returns the marks of numbers in the usual digits, else those of Latin ones."""
    found = locale.number_symbols
    system = locale.default_numbering_system
    symbols = found[system] if system in found and "decimal" in found[system] else found["latn"]
    return {name: _clean(mark) for name, mark in symbols.items()}


def _digits(locale: Locale, english: Locale) -> str:
    """Returns the digits of a language's numbering system, by Unicode's names of characters."""
    system = locale.default_numbering_system
    script = english.scripts.get(system.capitalize(), "")
    name = _DIGITS.get(system, f"{script.upper()} ")
    try:
        zero = ord(unicodedata.lookup(f"{name}DIGIT ZERO"))
    except KeyError:  # systems that aren't digits, such as Han numerals
        zero = ord("0")
    return "".join(chr(zero + number) for number in range(10))


def _letters(locale: Locale, script: str) -> Mapping[str, float]:
    """Returns the letters of the repository's words in a language, with their shares.

    Abbreviations in Latin letters don't count where the language has another script.
    """
    words = [*locale.languages.values(), *locale.territories.values(), *locale.scripts.values()]
    counts = Counter(
        letter
        for word in words
        for letter in unicodedata.normalize("NFC", word).lower()
        if unicodedata.category(letter)[0] in "LM"
        if script == "Latn" or not unicodedata.name(letter, "").startswith("LATIN")
    )
    least = _LEAST_LETTER_SHARE * counts.total()
    return {
        letter: count / counts.total() for letter, count in counts.most_common() if count >= least
    }


def _magnitudes(locale: Locale) -> Mapping[str, int]:
    """Returns the words that multiply a number, as "thousand" in 5 thousand, by their power."""
    found: dict[str, int] = {}
    for patterns in locale.compact_decimal_formats["long"].values():
        for number, pattern in patterns.items():
            written = _clean(pattern.pattern.partition(";")[0]).replace("'", "")
            zeros = written.count("0")
            word = written.replace("0", "").strip()
            # Where a language has no words yet, the repository writes K, M, G and T.
            if zeros and len(word) > word.isascii():
                found.setdefault(word, len(number) - zeros)
    return found


def _units(locale: Locale) -> Mapping[str, tuple[str, ...]]:
    patterns = locale._data["unit_patterns"]
    found = {symbol: tuple(_unit_names(patterns.get(unit, {}))) for symbol, unit in _UNITS.items()}
    for symbol, currency in _CURRENCIES.items():
        names = [locale.currencies.get(currency, "")]
        plural = locale._data["currency_names_plural"].get(currency, {})
        names = [_clean(name) for name in (*names, *plural.values())]
        found[symbol] = tuple(dict.fromkeys(name for name in names if name))
    return {symbol: names for symbol, names in found.items() if names}


def _unit_names(patterns: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yields the names of a unit that stand before or behind a number, each once."""
    seen = set()
    for width in ("long", "short"):
        for form, pattern in patterns.get(width, {}).items():
            before, slot, behind = _clean(pattern).partition(_SLOT)
            name = (before + behind).strip()
            if form == "per" or not slot or not name or (before.strip() and behind.strip()):
                continue
            if name not in seen:
                seen.add(name)
                yield name
