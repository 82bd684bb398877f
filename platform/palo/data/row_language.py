"""The language of a row, by whatever name the row calls it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from palo.data.bad_row import BadRow
from palo.languages import Language
from palo.reasons import Reason

LANGUAGE_KEYS = ("language", "lang")
"""Keys of a row's language."""

_TRANSLATION = "_conversation"


class LanguageRules(Protocol):
    """Which languages the rows of a source may be in."""

    @property
    def language(self) -> str | None:
        """Language of rows that don't name theirs."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes that are allowed."""
        ...

    @property
    def known(self) -> tuple[Language, ...]:
        """What is known of them."""
        ...


def row_language(row: Mapping[str, object], rules: LanguageRules) -> str:
    """Returns the ISO 639-1 code of a row's language.

    A row may say `ur`, `UR`, `ur-PK`, `urd`, `Urdu` or `اردو`.

    Args:
        row: The row.
        rules: Which languages it may be in.

    Raises:
        BadRow: If it names none that is known, and its source none either.
    """
    said = next((row[key] for key in LANGUAGE_KEYS if row.get(key)), None)
    said = said or _translated_to(row, rules) or rules.language
    if isinstance(said, str):
        if said in rules.languages:
            return said
        code = code_named(said, rules.known)
        if code in rules.languages:
            return code
    if said is None:
        seen = "the row names none, and its source has no language"
    else:
        seen = f"{said!r:.60}; known are {', '.join(rules.languages)}"
    raise BadRow(Reason.UNKNOWN_LANGUAGE, seen)


def code_named(name: str, known: Sequence[Language]) -> str:
    """Returns the ISO 639-1 code of a language by any of its names, such as `urd_Arab` or `Urdu`.

    Args:
        name: The name.
        known: The languages.

    Returns:
        The code; of an unknown language the first part of its name in small letters.
    """
    codes = _codes_by_name(tuple(known))
    code = codes.get(_plain(name)) or _plain(name).partition("-")[0]
    return codes.get(code, code)


def caption_question(code: str, known: Sequence[Language]) -> str:
    """Returns what a user asks before a caption that comes without a question.

    Args:
        code: ISO 639-1 code of the caption's language.
        known: The languages.
    """
    wishes = (each.caption_wish for each in known if each.code == code)
    return next(wishes, "") or "Describe this image."


def _translated_to(row: Mapping[str, object], rules: LanguageRules) -> str | None:
    """Returns the language that a row's `{language}_conversation` names, None if it has none."""
    keys = [key for key in row if key.endswith(_TRANSLATION)]
    if not keys:
        return None
    codes = _codes_by_name(rules.known)
    found = codes.get(_plain(keys[0].removesuffix(_TRANSLATION)))
    # The source's language would be a guess for a row that says something else about itself.
    if len(keys) > 1 or found is None:
        raise BadRow(Reason.UNKNOWN_LANGUAGE, ", ".join(keys))
    return found


def _plain(name: str) -> str:
    return name[:80].strip().lower().replace("_", "-").replace(" ", "-")


@lru_cache(maxsize=8)
def _codes_by_name(known: tuple[Language, ...]) -> dict[str, str]:
    """Returns the codes of languages by each of their names."""
    return {
        _plain(name): language.code
        for language in known
        for name in (language.name, language.native_name, *language.other_codes)
    }
