"""A coloured preview of what is trained, for eyes in a terminal.

Tokens are joined as bytes before they become text, because a character of Chinese or Bengali may be
three tokens. A stretch of right-to-left text is isolated, so that the words around it keep their
place, and control characters of the text become visible instead of reaching the terminal.
"""

import unicodedata
from itertools import groupby

from palo.text.encoded import EncodedSample
from palo.text.segments import IMAGE_SENTINEL
from palo.text.tokenizer import TextTokenizer

TRAINED = "\x1b[32m"
UNTRAINED = "\x1b[2m"
RESET = "\x1b[0m"
IMAGE = "[image]"
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


def preview(sample: EncodedSample, tokenizer: TextTokenizer) -> str:
    """Returns a sample as text with terminal colours: trained tokens green, the others dim.

    Args:
        sample: Ids and label spans.
        tokenizer: The tokenizer that made it.
    """
    trained = _trained_flags(sample)
    stretches = groupby(zip(sample.input_ids, trained, strict=True), key=lambda pair: pair[1])
    return "".join(
        _coloured(_text([token_id for token_id, _ in pairs], tokenizer), is_trained)
        for is_trained, pairs in stretches
    )


def _trained_flags(sample: EncodedSample) -> list[bool]:
    flags = [False] * len(sample.input_ids)
    for start, end in sample.label_spans:
        flags[start:end] = [True] * (end - start)
    return flags


def _text(ids: list[int], tokenizer: TextTokenizer) -> str:
    """Returns the text of a stretch; bytes that are no whole character appear as escapes."""
    raw = b"".join(
        IMAGE.encode() if token_id == IMAGE_SENTINEL else tokenizer.token_bytes(token_id)
        for token_id in ids
    )
    return "".join(map(_visible, raw.decode(errors="backslashreplace")))


def _visible(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) != "Cc":
        return character
    return f"\\x{ord(character):02x}"


def _coloured(text: str, is_trained: bool) -> str:
    # Terminals may end a colour with the line, and isolates end with the paragraph.
    colour = TRAINED if is_trained else UNTRAINED
    return "\n".join(
        f"{colour}{_isolated(line)}{RESET}" if line else "" for line in text.split("\n")
    )


def _isolated(line: str) -> str:
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in line):
        return f"{_ISOLATE}{line}{_END_ISOLATE}"
    return line
