"""Quoted text that stands in an image: on signs, labels, screens and covers."""

import re
from collections.abc import Iterator

_QUOTED = re.compile(r"\"([^\"\n]{1,120})\"|“([^”\n]{1,120})”|(?<!\w)'([^'\n]{1,120})'(?!\w)")
_CUE = re.compile(
    r"\b(?:signs?|signboard|labels?|label(?:l?ed|l?ing)|text|words?|letters?|lettering|logo|title|titled"
    r"|caption|posters?|banner|plate|plaque|brand|branded|inscription|inscribed|written|writing"
    r"|reads|reading|printed|spell(?:s|ed|ing)?|displays?|screen|shirt|jersey|cover|packag(?:e|ing)"
    r"|numbered|marked|message|slogan|headline|billboard|graffiti|engraved)\b",
    re.IGNORECASE,
)
_BEFORE, _BEHIND = 60, 30
_SENTENCE_END = re.compile(r"[.!?]\s")


def quotations(text: str) -> Iterator[tuple[int, int]]:
    """Yields what stands between quotation marks, where English words near it speak of writing.

    Also what is in capitals throughout, whatever is near it.
    """
    for match in _QUOTED.finditer(text):
        start, end = match.span(match.lastindex or 0)
        before = _SENTENCE_END.split(text[max(0, match.start() - _BEFORE) : match.start()])[-1]
        behind = _SENTENCE_END.split(text[match.end() : match.end() + _BEHIND])[0]
        quoted = text[start:end]
        in_capitals = quoted.isupper() and len(quoted) > 1
        if in_capitals or _CUE.search(before) or _CUE.match(behind.lstrip(" ,")):
            yield start, end
