"""Perturbations of letters: other alphabets, romanised words, words left untranslated."""

import re
import unicodedata
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_SMALL_WORD = re.compile(r"\b[a-z]{5,}\b")
_SPACED_WORD = re.compile(r"(?<!\S)[^\s\d\"“”«»()（）.,،。，、؟?!۔।]{3,}")
_SPACELESS = ("Hans", "Hant", "Jpan")
_LATIN_FOR_CYRILLIC = "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya"
_CYRILLIC = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", _LATIN_FOR_CYRILLIC.split(), strict=True))
_ARABIC = {
    "ALEF": "a",
    "TEH": "t",
    "THEH": "th",
    "JEEM": "j",
    "KHAH": "kh",
    "SHEEN": "sh",
    "AIN": "a",
    "GHAIN": "gh",
    "WAW": "u",
    "YEH": "i",
    "FARSI": "i",
    "KEHEH": "k",
    "TTEH": "t",
    "DDAL": "d",
    "RREH": "r",
    "TCHEH": "ch",
    "HAMZA": "",
}
_PINYIN = ("ni", "hao", "shi", "zhong", "guo", "ren", "men", "de", "zai", "you", "wang", "xue")
_LOOK_ALIKE = str.maketrans("aceopxyасеорху", "асеорхуaceopxy")


def romanised_text(text: str, draw: Random) -> str:
    """Writes a text in Latin letters, by the names that Unicode gives its letters.

    Args:
        text: The text.
        draw: Draws vowels that aren't written, and syllables of Chinese.
    """
    return "".join(_romanised_letter(letter, draw) for letter in text)


def _romanised_letter(letter: str, draw: Random) -> str:
    if letter.isascii() or not (letter.isalpha() or unicodedata.category(letter)[0] == "M"):
        return letter
    if letter.lower() in _CYRILLIC:
        latin = _CYRILLIC[letter.lower()].strip("-")
        return latin.title() if letter.isupper() else latin
    name = unicodedata.name(letter, "").split()
    if "CJK" in name:
        return f" {draw.choice(_PINYIN)}"
    if name[:1] == ["ARABIC"]:
        return (
            _ARABIC.get(name[2], name[2][:1].lower() + draw.choice(("", "a"))) if name[2:] else ""
        )
    if "VIRAMA" in name:
        return ""
    return name[-1].lower() if name else ""


def romanised(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a turn in Latin letters.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    if languages.get(sample.request.language).script == "Latn":
        return None
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, romanised_text(sample.texts[number], draw))


def romanised_part(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a third of a turn in Latin letters.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    if languages.get(sample.request.language).script == "Latn":
        return None
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    third = len(text) // 3
    return sample.replaced(
        number, text[:third] + romanised_text(text[third : 2 * third], draw) + text[2 * third :]
    )


def other_of_the_script(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a turn by its translation into another language of the script.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    han = ("Hans", "Jpan")
    own = languages.get(sample.request.language).script
    scripts = han if own in han else (own,)
    codes = [code for code in sorted(sample.others) if languages.get(code).script in scripts]
    if not codes:
        return None
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, sample.others[draw.choice(codes)][number])


def word_left(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves one word of the source untranslated.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    found = [
        w for w in _SMALL_WORD.findall(sample.request.source.turns[number].text) if w not in text
    ]
    own = [match.span() for match in _SPACED_WORD.finditer(text)]
    if not found or not own:
        return None
    start, end = draw.choice(own)
    if _is_spaceless(sample):
        start = draw.randrange(start, end - 2)
        end = start + 3
    return sample.replaced(number, text[:start] + draw.choice(found) + text[end:])


def look_alike(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a letter by one of another alphabet that looks the same.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    places = [
        place
        for place in range(1, len(text) - 1)
        if text[place].translate(_LOOK_ALIKE) != text[place]
        and text[place - 1 : place + 2].isalpha()
    ]
    if not places or languages.get(sample.request.language).script not in ("Latn", "Cyrl"):
        return None
    place = draw.choice(places)
    return sample.replaced(
        number, text[:place] + text[place].translate(_LOOK_ALIKE) + text[place + 1 :]
    )


def spaced_letters(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts a space behind every letter.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    if _is_spaceless(sample):
        return None
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, " ".join(sample.texts[number].replace(" ", "")))


def joined_words(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out the spaces between words.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    if _is_spaceless(sample):
        return None
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, sample.texts[number].replace(" ", ""))


def capitals(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a turn in capital letters.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number].upper()
    return (
        None
        if text == sample.texts[number] or not _cased(sample)
        else sample.replaced(number, text)
    )


def reversed_letters(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a turn backwards.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, sample.texts[number][::-1])


def _is_spaceless(sample: PerturbationSample) -> bool:
    return languages.get(sample.request.language).script in _SPACELESS


def _cased(sample: PerturbationSample) -> bool:
    return languages.get(sample.request.language).script in ("Latn", "Cyrl")


KINDS = (
    romanised,
    romanised_part,
    other_of_the_script,
    word_left,
    look_alike,
    spaced_letters,
    joined_words,
    capitals,
    reversed_letters,
)
