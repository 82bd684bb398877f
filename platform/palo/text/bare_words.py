"""The words by which a text's language is judged: no code, addresses, names in Latin letters."""

import re
from itertools import islice

from palo.text.code_spans import CodeSpans
from palo.text.neighbours import ENGLISH_ANSWERS, ENGLISH_PARTICLES

# Words with capitals in a row are a name, as the title of a film; more of them are a headline.
_LONGEST_NAME = 7
_FIRST_CHARACTERS, _FIRST_SENTENCES = 600, 2000
_ASIDE = CodeSpans(besides=r"(?:https?://|www\.)\S+|<[^<>]*>")
_SIGNS_OF_ASIDE = ("`", "$", "\\", "<", "http", "www.")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]+")
_END = re.compile(r"(?<=[.!?…।۔؟])\s|\n")
_ADDRESS = re.compile(r"\w(?:\.\w\w|@)")
# Small words stand within a title: Harry Potter and the Goblet of Fire.
_SMALL = r"(?:(?:and|of|the|in|on|at|to|for|a|an|de|del|la|le|les|du|des|et|y|el|los)\s++){0,2}"
_CAPITALISED = r"[A-Z\u00c0-\u00de][^\W_]*+(?:['’-][^\W_]++)*+"
_NAME = re.compile(rf"\b{_CAPITALISED}(?:\s++{_SMALL}{_CAPITALISED})*")


def without_asides(text: str) -> str:
    """Returns a text with a space in the place of code, mathematics, addresses and tags.

    Args:
        text: Any text.
    """
    if not any(sign in text for sign in _SIGNS_OF_ASIDE):
        return text
    pieces, end = [], 0
    for start, stop in _ASIDE.find(text):
        pieces.append(text[end:start])
        end = stop
    return " ".join([*pieces, text[end:]])


def without_names(words: str) -> str:
    """Returns a text without names and titles in Latin letters, and without sites and files.

    Args:
        words: A text without asides.
    """
    if "." in words or "@" in words:
        words = " ".join(part for part in words.split() if not _ADDRESS.search(part))
    return _NAME.sub(lambda name: name[0] if len(name[0].split()) > _LONGEST_NAME else " ", words)


def sentences_of(words: str) -> list[str]:
    """Returns the sentences at a text's beginning.

    Args:
        words: A text without asides.
    """
    return _END.split(words[:_FIRST_SENTENCES])


def num_words(words: str) -> int:
    """Counts the words between spaces at a text's beginning.

    Args:
        words: A text without asides.
    """
    # Marks on letters are none of \w: a regular expression would cut Hindi words.
    parts = words[:_FIRST_CHARACTERS].split()
    return sum(1 for part in parts if part[0].isalpha() or any(map(str.isalpha, part)))


def has_latin_words(words: str, fewest: int) -> bool:
    """Returns whether a text has so many words in Latin letters.

    Args:
        words: A text without asides and names.
        fewest: How many.
    """
    return sum(1 for _ in islice(_LATIN.finditer(words), fewest)) == fewest


def is_english_answer(words: str) -> bool:
    """Returns whether a short answer is English, rather than a name, a brand or an abbreviation.

    Args:
        words: A text without asides.
    """
    found = {word.lower() for word in _WORD.findall(words)}
    return (
        not words.isupper()
        and not found.isdisjoint(ENGLISH_ANSWERS)
        and found <= ENGLISH_ANSWERS | ENGLISH_PARTICLES
    )
