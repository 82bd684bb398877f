"""Checks of parallel text: each pair by itself, and whether a file's sides belong together.

Files that are not aligned, or whose languages are named wrongly, are found by their first lines
and by lengths: a long sentence has a long translation, whatever the languages.
"""

import math
from collections import Counter
from collections.abc import Sequence

from palo.corpus.parallel.lines import TextFault
from palo.data.bad_row import is_writable
from palo.errors import DataError
from palo.languages import Language
from palo.text.language_of import LanguageFinder

_LOOKED_AT = 300
_FEWEST_TOLD = 20
_FEWEST_PAIRS = 200
# With less spread of log lengths, as in labels or sentences of one kind, chance decides.
_LEAST_SPREAD = 0.2


def fault_of(source: str, target: str, max_characters: int) -> tuple[TextFault, str] | None:
    """Returns what is wrong with a pair of texts, and what was seen; None if nothing is.

    Args:
        source: The one text, without white space around it.
        target: The other one.
        max_characters: Longest text.
    """
    if not source or not target:
        return TextFault.EMPTY, ""
    if source == target:
        return TextFault.IDENTICAL, source[:60]
    longest = max(len(source), len(target))
    if longest > max_characters:
        return TextFault.TOO_LONG, f"{longest:,} characters"
    if not (is_writable(source) and is_writable(target)):
        return TextFault.NOT_UTF8, "half a surrogate pair"
    return None


class LanguageCheck:
    """Looks at the first texts of a file: are they in the languages that it names?

    Args:
        file: Name of the file, for the message.
        known: The languages that a text may be in.
    """

    def __init__(self, file: str, known: Sequence[Language]) -> None:
        self._file = file
        self._finder = LanguageFinder(known)
        self._looked: Counter[str] = Counter()
        self._others: dict[str, Counter[str]] = {}

    def look(self, code: str, text: str) -> None:
        """Looks at a text; does nothing once it has seen enough of its language.

        Args:
            code: ISO 639-1 code of the language that it should be in.
            text: The text.

        Raises:
            DataError: If most texts are in another language.
        """
        if self._looked[code] == _LOOKED_AT:
            return
        self._looked[code] += 1
        judgment = self._finder.judge(text, code)
        found = judgment.found if judgment.is_wrong and judgment.found else code
        self._others.setdefault(code, Counter())[found] += 1
        if self._looked[code] == _LOOKED_AT:
            self._require(code)

    def finish(self) -> None:
        """Decides on a file that has ended.

        Raises:
            DataError: If most texts of a language are in another one.
        """
        for code, count in self._looked.items():
            if _FEWEST_TOLD <= count < _LOOKED_AT:
                self._require(code)

    def _require(self, code: str) -> None:
        others = Counter(self._others[code])
        del others[code]
        found, count = others.most_common(1)[0] if others else ("", 0)
        if 2 * count > self._looked[code]:
            raise DataError(
                f"{self._file} has texts in another language than it says",
                seen=f"{count} of {self._looked[code]} texts named {code} are in {found}",
                fix="Correct the names of its languages, or of its files.",
            )


class LengthCheck:
    """Correlation of the lengths of a file's two sides.

    Args:
        file: Name of the file, for the message.
        least: Least correlation of the logarithms of lengths; -1 doesn't check.

    Source: Gale and Church (1993), A program for aligning sentences in bilingual corpora: lengths
    in characters of a text and its translation are strongly correlated.
    """

    def __init__(self, file: str, least: float) -> None:
        self._file = file
        self._least = least
        self._sums: dict[tuple[str, str], list[float]] = {}

    def add(self, pair: tuple[str, str], source: str, target: str) -> None:
        """Counts the lengths of a pair.

        Args:
            pair: Codes of its languages.
            source: The one text.
            target: The other one.
        """
        x, y = math.log(len(source)), math.log(len(target))
        sums = self._sums.setdefault(pair, [0.0] * 6)
        for place, value in enumerate((1.0, x, y, x * x, y * y, x * y)):
            sums[place] += value

    def finish(self) -> None:
        """Decides on a file that has ended.

        Raises:
            DataError: If two of its sides don't belong together.
        """
        for (source, target), sums in self._sums.items():
            found = _correlation(*sums)
            if found is not None and found < self._least:
                raise DataError(
                    f"{self._file} seems not to be aligned",
                    seen=f"the lengths of its {int(sums[0]):,} pairs of {source} and {target} "
                    f"have a correlation of {found:.2f}",
                    fix="Align it again, or turn this off: --parallel.min-length-correlation -1.",
                )


def _correlation(n: float, x: float, y: float, xx: float, yy: float, xy: float) -> float | None:
    """Returns the correlation of sums; None of few pairs, or of lengths that are much alike."""
    if n < _FEWEST_PAIRS:
        return None
    variances = (xx / n - (x / n) ** 2, yy / n - (y / n) ** 2)
    if min(variances) < _LEAST_SPREAD**2:
        return None
    return (xy / n - x * y / n**2) / math.sqrt(variances[0] * variances[1])
