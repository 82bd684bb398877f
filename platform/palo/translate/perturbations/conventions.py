"""Measures the normalizers: what they change in right sentences, and what they mend in wrong ones.

A translator's slips against the conventions of a language are injected into sentences: marks of
another script, letters of a neighbour's keyboard, spaces too many. A slip is mended if the
normalizers make of the sentence what they make of the right one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from palo import languages
from palo.translate.normalizers.normalize import normalize_translation, rules_applied
from palo.translate.perturbations.form import LATIN_MARKS

Slip = Callable[[str, Random], str]
"""Returns a sentence with a slip; the sentence itself where the slip isn't possible."""

_SPACE = re.compile(r"(?<=\w) (?=\w)")
_MARK = re.compile(r"(?<=\w)[,;:!?،؛؟۔।](?=\s|$)")
_BRACKET = re.compile(r"(?<=\()(?=\w)")
_SIGN_GAP = re.compile("(?<=[\u3040-\u30ff\u4e00-\u9fff])(?=[\u3040-\u30ff\u4e00-\u9fff])")


def _inserted(pattern: re.Pattern[str], what: str) -> Slip:
    def slip(text: str, draw: Random) -> str:
        places = [match.start() for match in pattern.finditer(text)]
        if not places:
            return text
        place = draw.choice(places)
        return text[:place] + what + text[place:]

    return slip


def _mapped(table: Mapping[int, int]) -> Slip:
    return lambda text, draw: text.translate(table)


def _replaced(pattern: str, replacement: str) -> Slip:
    compiled = re.compile(pattern)
    return lambda text, draw: compiled.sub(replacement, text)


_SPACING: dict[str, Slip] = {
    "doubled space": _inserted(_SPACE, " "),
    "space before a mark": _inserted(_MARK, " "),
    "space within brackets": _inserted(_BRACKET, " "),
}
_OF_LATIN_MARKS: dict[str, Slip] = {"Latin marks": _mapped(LATIN_MARKS)}
_STRAIGHT_QUOTES: dict[str, Slip] = {
    "straight quotes": _replaced("[«“「][\u00a0\u202f]?|[\u00a0\u202f]?[»”」]", '"')
}
_SPACELESS: dict[str, Slip] = {
    **_OF_LATIN_MARKS,
    **_STRAIGHT_QUOTES,
    "space between characters": _inserted(_SIGN_GAP, " "),
    "wide digits": _mapped(str.maketrans("0123456789", "０１２３４５６７８９")),
}
_WITH_DANDA: dict[str, Slip] = {
    **_SPACING,
    **_OF_LATIN_MARKS,
    "bar for danda": _mapped(str.maketrans("।", "|")),
}
_BY_SCRIPT: Mapping[str, Mapping[str, Slip]] = {
    "Hans": _SPACELESS,
    "Jpan": _SPACELESS,
    "Deva": _WITH_DANDA,
    "Beng": _WITH_DANDA,
    "Arab": _SPACING | _OF_LATIN_MARKS,
    "Cyrl": _SPACING | _STRAIGHT_QUOTES | {"hyphen for dash": _replaced(" — ", " - ")},
}
_OF_LATIN_SCRIPT: Mapping[str, Mapping[str, Slip]] = {
    "es": {"no opening marks": _replaced("[¿¡]", "")},
    "fr": {
        **_STRAIGHT_QUOTES,
        "straight apostrophe": _mapped(str.maketrans("’", "'")),
        "no space before a high mark": _replaced("[\u00a0\u202f](?=[;:!?])", ""),
    },
}
_OF_ARABIC_SCRIPT: Mapping[str, Mapping[str, Slip]] = {
    "ar": {
        "Persian letters": _mapped(str.maketrans("كيى", "کیی")),
        "Urdu's digits": _mapped(str.maketrans("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")),
    },
    "ur": {"Arabic letters": _mapped(str.maketrans("کیہھ", "كيهه"))},
}


def slips_of(language: str) -> dict[str, Slip]:
    """Returns the slips of a language, those of its script among them, by their names.

    Args:
        language: ISO 639-1 code.
    """
    return {
        **_BY_SCRIPT.get(languages.get(language).script, _SPACING),
        **_OF_LATIN_SCRIPT.get(language, {}),
        **_OF_ARABIC_SCRIPT.get(language, {}),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleChange:
    """A sentence written by people that the normalizers change.

    Attributes:
        row: Number of the sentence.
        before: The sentence.
        after: The normalized sentence.
        rules: Names of the normalizers that change it.
    """

    row: int
    before: str
    after: str
    rules: tuple[str, ...]


def rule_changes(rows: Iterable[tuple[int, str]], language: str) -> Iterator[RuleChange]:
    """Yields the sentences that the normalizers of a language change.

    Args:
        rows: Sentences with their numbers.
        language: ISO 639-1 code.
    """
    for row, text in rows:
        if rules := rules_applied(text, language):
            after = normalize_translation(text, language)
            yield RuleChange(row=row, before=text, after=after, rules=rules)


@dataclass(frozen=True, kw_only=True, slots=True)
class MendedSlips:
    """What the normalizers make of sentences with a slip.

    Attributes:
        mended: How many become what the right sentence becomes.
        left: Examples of the others.
        total: How many there are.
    """

    mended: int
    left: tuple[str, ...]
    total: int


def mended_slips(texts: Iterable[str], language: str, *, seed: int = 0) -> dict[str, MendedSlips]:
    """Injects each slip of a language into each sentence where it is possible.

    Args:
        texts: Right sentences.
        language: ISO 639-1 code.
        seed: Seed of the draws.

    Returns:
        By the name of the slip, what becomes of it.
    """
    texts = list(texts)
    found = {}
    for name, slip in slips_of(language).items():
        draw = Random(f"{seed} {language} {name}")  # noqa: S311 - nothing secret is drawn
        left, total = [], 0
        for text in texts:
            wrong = slip(text, draw)
            if wrong == text:
                continue
            total += 1
            if normalize_translation(wrong, language) != normalize_translation(text, language):
                left.append(wrong)
        found[name] = MendedSlips(mended=total - len(left), left=tuple(left), total=total)
    return found
