"""Which language a text in Han characters is in: Chinese, simplified or traditional, or Japanese.

Each has characters that the others lack: simplified Chinese 车, Japanese 駅, traditional Chinese
and Japanese 車. Their national character sets tell which: GB 2312 holds what simplified Chinese
writes, Big5 what traditional Chinese does, JIS X 0208 what Japanese does.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache

_HAN = range(0x4E00, 0xA000)
# Words of every Chinese sentence, written with characters that Japanese hardly has.
_EVERYDAY_CHINESE = frozenset("们們你您她吗嗎呢吧这這那哪很没沒么麼啊些是也於與從把讓說")
_FEWEST_CHINESE, _FEWEST_OF_OTHER_CHINESE = 2, 3
# Japanese text has kana, but for names, signs and headlines.
_LONGEST_WITHOUT_KANA, _LONGEST_NAME_WITHOUT_KANA = 12, 18
_KINDS = {
    (True, False, False): "simplified",
    (False, True, False): "traditional alone",
    (False, True, True): "traditional",
    (False, False, True): "japanese",
}
"""What a character speaks for, by whether GB 2312, Big5 and JIS X 0208 hold it."""


@dataclass(frozen=True, slots=True)
class HanLetters:
    """What the characters of a text speak for.

    Attributes:
        simplified: Characters of simplified Chinese alone.
        traditional: Characters that simplified Chinese lacks, and traditional Chinese has.
        japanese: Characters of Japanese alone.
        chinese: Characters that Japanese lacks, or hardly has in everyday text.
        num_letters: All Han characters.
    """

    simplified: int
    traditional: int
    japanese: int
    chinese: int
    num_letters: int

    def is_of_other_chinese(self, script: str) -> bool:
        """Returns whether Chinese is written in the other way.

        Args:
            script: Hans or Hant, as it should be written.
        """
        mine, others = self.simplified, self.traditional
        if script == "Hant":
            mine, others = others, mine
        return others >= _FEWEST_OF_OTHER_CHINESE and others > mine


def han_letters(text: str) -> HanLetters:
    """Counts what the Han characters of a text speak for.

    Args:
        text: Any text.
    """
    kinds = _kinds()
    found = Counter(kinds[letter] for letter in text if letter in kinds)
    everyday = sum(letter in _EVERYDAY_CHINESE for letter in text)
    return HanLetters(
        simplified=found["simplified"],
        traditional=found["traditional"] + found["traditional alone"],
        japanese=found["japanese"],
        chinese=found["simplified"] + found["traditional alone"] + everyday,
        num_letters=found.total(),
    )


def is_chinese(text: str) -> bool:
    """Returns whether a text without kana is Chinese rather than Japanese.

    Args:
        text: Any text.
    """
    found = han_letters(text)
    if found.japanese:
        return False
    is_long = found.num_letters >= _LONGEST_WITHOUT_KANA
    fewest = 1 if is_long else _FEWEST_CHINESE
    return found.chinese >= fewest or found.num_letters >= _LONGEST_NAME_WITHOUT_KANA


def is_japanese(text: str, fewest: int = 1) -> bool:
    """Returns whether a text without kana is Japanese rather than Chinese.

    Args:
        text: Any text.
        fewest: Characters that Japanese alone has.
    """
    found = han_letters(text)
    return found.japanese >= fewest and not found.simplified


@cache
def _kinds() -> dict[str, str]:
    """Returns what each character speaks for."""
    return {letter: _kind(letter) for letter in map(chr, _HAN)}


def _kind(letter: str) -> str:
    charsets = tuple(_holds(name, letter) for name in ("gb2312", "big5", "shift_jis"))
    return _KINDS.get((charsets[0], charsets[1], charsets[2]), "any")


def _holds(charset: str, letter: str) -> bool:
    try:
        letter.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
