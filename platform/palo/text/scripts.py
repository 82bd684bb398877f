"""Which script the letters of a text are of.

Scripts are named by their ISO 15924 codes. Japanese and Korean are written in several of them.
"""

import unicodedata
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

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
_WRITTEN_WITH = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Kana"),
    "Kore": ("Hang", "Hani"),
}


def scripts_of(script: str) -> tuple[str, ...]:
    """Returns the scripts whose letters a language is written with.

    Args:
        script: ISO 15924 code of a language's writing: Jpan stands for Han characters and kana.
    """
    return _WRITTEN_WITH.get(script, (script,))


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
