"""What of a text new pieces may be made of: runs of letters of the chosen scripts.

Every new piece holds a letter or a sign of a chosen script. A text without any of them has no new
piece in it, so the merges that it can take are those of the old vocabulary, in the old order: its
ids are the old ones.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

from palo.errors import ConfigError
from palo.languages import Language
from palo.text.scripts import letters_by_script

SPACE = "\u2581"
"""How SentencePiece writes a space."""

_WRITTEN_WITH = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Kana"),
    "Kore": ("Hang",),
}
_LAST_LATIN = 0x24F
_SIGN_CATEGORIES = "NPS"
_NAME_PARTS = re.compile(r"[A-Z]+")
# Words of the names of letters that don't name a script.
_COMMON_WORDS = frozenset(("LETTER", "SIGN", "VOWEL", "MARK", "DIGIT", "COMBINING"))


def scripts_of(spoken: Sequence[Language]) -> tuple[str, ...]:
    """Returns the scripts that languages are written in, as ISO 15924 codes, each once.

    Args:
        spoken: The languages.

    Raises:
        ConfigError: If one is written in Latin letters.
    """
    latin = [one.code for one in spoken if one.script == "Latn"]
    if latin:
        raise ConfigError(
            "new pieces of Latin letters would change the ids of texts that exist, English too",
            seen=", ".join(latin),
            fix="Name languages of other scripts only.",
        )
    names = [name for one in spoken for name in _WRITTEN_WITH.get(one.script, (one.script,))]
    return tuple(dict.fromkeys(names))


class ScriptRuns:
    """Finds runs of a script's letters in texts, and the script's other signs.

    Args:
        script: Its ISO 15924 code.
        more_signs: Signs that its languages write besides, such as Bengali the danda, which is a
            sign of Devanagari.
    """

    def __init__(self, script: str, more_signs: str = "") -> None:
        self._script = script
        self._more_signs = frozenset(more_signs)
        self._kinds: dict[str, bool | None] = {}

    @cached_property
    def _names(self) -> frozenset[str]:
        """The words by which Unicode names the script, such as DEVANAGARI."""
        counts: Counter[str] = Counter()
        for point in range(0x370, 0x3400):
            if letters_by_script(chr(point)).get(self._script):
                counts.update(_NAME_PARTS.findall(unicodedata.name(chr(point), ""))[:1])
        return frozenset(name for name, _ in counts.most_common(2)) - _COMMON_WORDS

    def _is_letter(self, character: str) -> bool | None:
        """Returns True for a letter or mark of the script, False for a sign, None for neither."""
        if character not in self._kinds:
            self._kinds[character] = self._kind(character)
        return self._kinds[character]

    def _kind(self, character: str) -> bool | None:
        if letters_by_script(character).get(self._script):
            return True
        if ord(character) <= _LAST_LATIN:
            return None
        if unicodedata.category(character)[0] not in _SIGN_CATEGORIES:
            return None
        parts = _NAME_PARTS.findall(unicodedata.name(character, ""))
        return False if character in self._more_signs or self._names & set(parts) else None

    def characters(self, text: str) -> set[str]:
        """Returns the letters and signs of the script in a text.

        Args:
            text: Any text.
        """
        return {one for one in set(text) if self._is_letter(one) is not None}

    def runs(self, text: str) -> Iterator[str]:
        """Yields each run of letters, with the mark of the space that stands before it.

        Args:
            text: Any text; before its beginning stands a space.
        """
        start: int | None = None
        spaced = f" {text} "
        for place, character in enumerate(spaced):
            if self._is_letter(character):
                start = place if start is None else start
            elif start is not None:
                before = SPACE if spaced[start - 1] == " " else ""
                yield before + spaced[start:place]
                start = None
