"""Which language a question is in, however short it is."""

from collections.abc import Sequence
from functools import cache

from palo import languages
from palo.text.language_of import LanguageFinder
from palo.text.scripts import letters_by_script

# Nothing after this many characters changes the answer, and a question may be very long.
_CHARACTERS = 2000
# Words of so many turns are enough too.
_TURNS = 8


def language_of(texts: Sequence[str]) -> str | None:
    """Returns the language of a user's last words.

    If these are too short to tell, those before them are taken into account, and at last the
    script alone, if only one language is written in it.

    Args:
        texts: What the user said, oldest first.

    Returns:
        An ISO 639-1 code of `palo.languages`; None if it can't be told, or is none of them.
    """
    said = ""
    for text in reversed(texts[-_TURNS:]):
        said = f"{text[:_CHARACTERS]}\n{said}"[:_CHARACTERS]
        found = _finder(languages.codes()).find(said, languages.codes()[0])
        if languages.known(found):
            return found
    return _by_script(texts[-1][:_CHARACTERS]) if texts else None


def load() -> None:
    """Loads what languages are told apart by; the first question would have to wait a second."""
    language_of(["What can be seen in the middle of this image?"])


def _by_script(text: str) -> str | None:
    """Returns the only language that writes the letters of a text, told by their script."""
    letters = letters_by_script(text)
    if letters.get("Kana"):
        letters = {"Jpan": sum(letters.values())}
    if not letters:
        return None
    script = max(letters, key=lambda name: letters[name])
    written = [each for each in languages.every() if _letters_of(each.script) == script]
    own = [each for each in written if any(letter in text for letter in each.own_letters)]
    plain = [each for each in written if not each.own_letters]
    left = own or plain
    return left[0].code if len(left) == 1 else None


def _letters_of(script: str) -> str:
    return "Hani" if script in ("Hans", "Hant") else script


@cache
def _finder(codes: tuple[str, ...]) -> LanguageFinder:
    return LanguageFinder([languages.get(code) for code in codes])
