"""Which of some languages a text is in, judged by its letters.

The script decides, then letters that only one language of a script uses, then, among languages that
remain, py3langid. Code, mathematics, addresses and digits don't count. Scripts are named by their
ISO 15924 codes.

A text in a script that the expected language is never written in can't be in that language,
whichever language it is in: romanised Hindi is no Hindi. Then the script is the answer.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from palo.languages import Language
from palo.text.code_spans import CodeSpans
from palo.text.normal_form import normalized

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# Ranges of Unicode 17 that hold the letters of today's languages. Han characters and kana have
# codes of their own here: Japanese mixes both, Chinese writes the one only.
_BLOCKS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "Latn": ((0x41, 0x24F), (0x1E00, 0x1EFF), (0xFF21, 0xFF5A)),
    "Grek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "Cyrl": ((0x400, 0x52F),),
    "Armn": ((0x530, 0x58F),),
    "Hebr": ((0x590, 0x5FF),),
    "Arab": ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)),
    "Deva": ((0x900, 0x97F),),
    "Beng": ((0x980, 0x9FF),),
    "Guru": ((0xA00, 0xA7F),),
    "Gujr": ((0xA80, 0xAFF),),
    "Orya": ((0xB00, 0xB7F),),
    "Taml": ((0xB80, 0xBFF),),
    "Telu": ((0xC00, 0xC7F),),
    "Knda": ((0xC80, 0xCFF),),
    "Mlym": ((0xD00, 0xD7F),),
    "Sinh": ((0xD80, 0xDFF),),
    "Thai": ((0xE00, 0xE7F),),
    "Laoo": ((0xE80, 0xEFF),),
    "Tibt": ((0xF00, 0xFFF),),
    "Mymr": ((0x1000, 0x109F),),
    "Geor": ((0x10A0, 0x10FF),),
    "Ethi": ((0x1200, 0x137F),),
    "Khmr": ((0x1780, 0x17FF),),
    "Hang": ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF)),
    "Kana": ((0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),
    "Hani": ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),
             (0x20000, 0x323AF)),
}  # fmt: skip
_NAMES = ("", *_BLOCKS)
_LAST = max(last for ranges in _BLOCKS.values() for _, last in ranges) + 1
_FEWEST_LETTERS = 12
_FEWEST_WORDS, _FIRST_CHARACTERS = 4, 200
# That words are in the wrong script shows in fewer of them than which language they are in.
_FEWEST_FOREIGN_WORDS = 3
# A text with more of its own script than this mixes both, as people do who code-switch.
_LEAST_MIXED_SHARE = 0.25
# Words with capitals in a row are a name, as the title of a film; more of them are a headline.
_LONGEST_NAME = 7
# Below this an answer of py3langid is a guess; it is calibrated for short texts too.
_LEAST_CONFIDENCE = 0.9
# A guess that a text isn't in the expected language must be at least so sure.
_LEAST_GUESS = 0.7
# py3langid takes about a microsecond a character, so a text that seems right is sampled.
_FIRST_LOOK, _SECOND_LOOK = 60, 240
_PIECES = 3
# Urdu's own letters make up an eighth of its text, and none of Arabic's but in names.
_LEAST_OWN_SHARE = 0.03
_FEWEST_LETTERS_WITHOUT_OWN = 40
# A fourth of Urdu's letters are its own or usual ones: so many letters have one of them.
_FEWEST_LETTERS_TO_GUESS = 20
# With its usual letters they are a quarter of Urdu's text.
_LEAST_USUAL_SHARE = 0.06
# Japanese text is about half kana, Chinese text has none but in names.
_LEAST_KANA_SHARE = 0.1
# One Han character says about as much as three Latin letters.
_WEIGHTS = {"Hani": 3, "Hang": 3, "Kana": 2}
_WRITTEN_WITH = {"Hans": "Hani", "Hant": "Hani", "Kore": "Hang"}
_ASIDE = CodeSpans(besides=r"(?:https?://|www\.)\S+|<[^<>]*>")
_SIGNS_OF_ASIDE = ("`", "$", "\\", "<", "http", "www.")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NAME = re.compile(r"\b[A-Z\u00c0-\u00de][^\W_]*+(?:\s++[A-Z\u00c0-\u00de][^\W_]*+)*+")


def letters_by_script(text: str) -> dict[str, int]:
    """Counts a text's letters, with the marks on them; digits and signs belong to no script.

    Args:
        text: Any text.

    Returns:
        The number of letters by ISO 15924 code, without scripts that have none.
    """
    points = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")
    counts = np.bincount(_table()[np.minimum(points, _LAST)], minlength=len(_NAMES))
    return {name: int(count) for name, count in zip(_NAMES, counts, strict=True) if count and name}


@cache
def _table() -> npt.NDArray[np.uint8]:
    """Returns the number of the script of each code point; 0 for what is no letter."""
    table = np.zeros(_LAST + 1, np.uint8)
    for number, ranges in enumerate(_BLOCKS.values(), start=1):
        for first, last in ranges:
            letters = [unicodedata.category(chr(p))[0] in "LM" for p in range(first, last + 1)]
            table[first : last + 1][letters] = number
    return table


class LanguageFinder:
    """Finds the language of texts.

    Args:
        known: The languages that a text may be in.
    """

    def __init__(self, known: Sequence[Language]) -> None:
        self._scripts = {language.code: _key(language.script) for language in known}
        self._written: defaultdict[str, list[Language]] = defaultdict(list)
        for language in known:
            self._written[_key(language.script)].append(language)

    def find(self, text: str, expected: str) -> str | None:
        """Returns the language that a text is mostly in.

        Args:
            text: Any text.
            expected: ISO 639-1 code of the language that it should be in. Latin names in a text
                that should be in another script don't count.

        Returns:
            An ISO 639-1 code; the ISO 15924 code of a script that the expected language isn't
            written in, if the language is unknown or unsure; None if the text is too short to
            decide, or could be in the expected language.
        """
        has_aside = any(sign in text for sign in _SIGNS_OF_ASIDE)
        words = _without_asides(text) if has_aside else text
        own = self._scripts[expected]
        letters = letters_by_script(words)
        script = _main_script(letters)
        if script == "Latn" and own != "Latn":
            words = _without_names(words)
            letters = letters_by_script(words)
            script = _main_script(letters)
        if script is None or _num_letters(letters) < _FEWEST_LETTERS:
            return None
        candidates = self._written.get(script)
        if candidates is None:
            return script
        found = None
        if script != "Latn" or _has_words(words, _FEWEST_WORDS):
            found = _among(candidates, words, letters.get(script, 0), expected)
        if found is None and script != own and _is_foreign(words, letters, script, own):
            return script
        return found

    def guess(self, text: str, expected: str) -> str | None:
        """Returns the most likely language of a text, however short it is.

        Args:
            text: Any text, such as an answer of a model.
            expected: ISO 639-1 code of the language that it should be in. Latin names in a text
                that should be in another script don't count.

        Returns:
            An ISO 639-1 code; the ISO 15924 code of a script that no known language is written in;
            None if there are no letters but of such names, those of several scripts, or too few to
            speak against the expected language.
        """
        words = _without_asides(text)
        letters = letters_by_script(words)
        if self._scripts[expected] != "Latn" and "Latn" in letters:
            words = _without_names(words)
            letters = letters_by_script(words)
        script = _main_script(letters)
        if script is None or script not in self._written:
            return script
        if script == "Hani" and self._scripts[expected] == "Jpan":
            return self._guess_han(words, letters)
        candidates = self._written[script]
        own = {
            language.code: sum(words.count(letter) for letter in _telling(language, candidates))
            for language in candidates
            if language.own_letters
        }
        best = max(own, key=lambda code: own[code], default="")
        if best and own[best] >= _LEAST_USUAL_SHARE * letters.get(script, 0):
            return best
        others = [language for language in candidates if language.code not in own]
        if expected in own and letters.get(script, 0) < _FEWEST_LETTERS_TO_GUESS:
            others = [each for each in others if set(each.usual_letters) & set(words)]
            if not others:
                return None
        left = tuple(language.code for language in others)
        if len(left) == 1:
            return left[0]
        # py3langid composes characters itself, which many marks in no order make quadratic.
        found, confidence = _identifier(left)[0].classify(normalized("NFC", words))
        return str(found) if found == expected or confidence >= _LEAST_GUESS else None

    def _guess_han(self, words: str, letters: dict[str, int]) -> str | None:
        """Tells Chinese from Japanese that is written without kana, as short answers are."""
        if letters["Hani"] < _FEWEST_LETTERS and _is_japanese(words):
            return None
        written = self._written["Hani"]
        return written[0].code if len(written) == 1 else None


def _telling(language: Language, candidates: Sequence[Language]) -> str:
    """Returns the letters that speak for a language: Persian has Urdu's usual ones, too."""
    others = {letter for one in candidates if one is not language for letter in one.usual_letters}
    usual = "".join(letter for letter in language.usual_letters if letter not in others)
    return language.own_letters + usual


def _key(script: str) -> str:
    return _WRITTEN_WITH.get(script, script)


def _without_asides(text: str) -> str:
    """Returns a text with a space in the place of code, mathematics, addresses and tags."""
    pieces, end = [], 0
    for start, stop in _ASIDE.find(text):
        pieces.append(text[end:start])
        end = stop
    return " ".join([*pieces, text[end:]])


def _without_names(words: str) -> str:
    """Returns a text with a space in the place of words that begin with a capital."""
    return _NAME.sub(lambda name: name[0] if len(name[0].split()) > _LONGEST_NAME else " ", words)


def _has_words(words: str, fewest: int) -> bool:
    found = islice(_WORD.finditer(words, 0, _FIRST_CHARACTERS), fewest)
    return sum(1 for _ in found) == fewest


def _num_letters(letters: dict[str, int]) -> int:
    """Counts letters; where there is kana each counts as much as it says."""
    if "Kana" not in letters:
        return sum(letters.values())
    return sum(count * _WEIGHTS.get(name, 1) for name, count in letters.items())


def _is_foreign(words: str, letters: dict[str, int], script: str, own: str) -> bool:
    """Returns whether a text can't be in a language, since it is in another script."""
    if own == "Jpan":
        if script == "Hani":  # short Japanese may do without kana
            return False
        num_own = letters.get("Hani", 0) + letters.get("Kana", 0)
    else:
        num_own = letters.get(own, 0)
    if num_own > _LEAST_MIXED_SHARE * sum(letters.values()):
        return False
    return script != "Latn" or _has_words(words, _FEWEST_FOREIGN_WORDS)


def _is_japanese(words: str) -> bool:
    """Returns whether Japanese has all of a text's characters; simplified Chinese has others."""
    try:
        words.encode("cp932")
    except UnicodeEncodeError:
        return False
    return True


def _main_script(letters: dict[str, int]) -> str | None:
    """Returns the script of most of a text, None if no script has more than half of it."""
    weights = {name: count * _WEIGHTS.get(name, 1) for name, count in letters.items()}
    han, kana = letters.get("Hani", 0), letters.get("Kana", 0)
    if kana and kana >= _LEAST_KANA_SHARE * (han + kana):
        weights["Jpan"] = weights.pop("Kana") + weights.pop("Hani", 0)
    total = sum(weights.values())
    return next((name for name, weight in weights.items() if 2 * weight > total), None)


def _among(
    candidates: Sequence[Language], words: str, num_letters: int, expected: str
) -> str | None:
    """Decides between languages of one script."""
    own = {
        language.code: sum(words.count(letter) for letter in language.own_letters)
        for language in candidates
        if language.own_letters
    }
    if own:
        best = max(own, key=lambda code: own[code])
        if own[best] >= _LEAST_OWN_SHARE * num_letters:
            return best
        if expected in own and num_letters < _FEWEST_LETTERS_WITHOUT_OWN:
            return None
    left = tuple(language.code for language in candidates if language.code not in own)
    return left[0] if len(left) == 1 else _identified(words, left, expected)


def _identified(words: str, codes: tuple[str, ...], expected: str) -> str | None:
    identifier, known = _identifier(codes)
    if not known or (expected in codes and expected not in known):
        return None
    for part in (_spread(words, _FIRST_LOOK), _spread(words, _SECOND_LOOK)):
        found, confidence = identifier.classify(part)
        if found == expected and confidence >= _LEAST_CONFIDENCE:
            break
    return str(found) if confidence >= _LEAST_CONFIDENCE else None


def _spread(words: str, num_characters: int) -> str:
    """Returns some characters of a text, in pieces from all over it."""
    size = num_characters // _PIECES
    if len(words) <= num_characters:
        return words
    starts = [number * (len(words) - size) // (_PIECES - 1) for number in range(_PIECES)]
    return " ".join(words[start : start + size] for start in starts)


@cache
def _identifier(codes: tuple[str, ...]) -> "tuple[LanguageIdentifier, frozenset[str]]":
    """Returns py3langid for some of the languages that it knows, and which it knows."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = frozenset(codes) & frozenset(identifier.labels)
    identifier.set_languages(sorted(known))
    return identifier, known
