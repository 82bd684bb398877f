"""Previews of samples: which tokens are trained, coloured for a terminal or for another reader.

Tokens are joined as bytes before they become text, because a character of Chinese or Bengali may be
three tokens. A stretch of right-to-left text is isolated, so that the words around it keep their
place, and control characters of the text become visible instead of reaching the terminal.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from palo.terminal import visible
from palo.text.segments import IMAGE_SENTINEL
from palo.text.tokenizer import TextTokenizer

TRAINED = "\x1b[32m"
UNTRAINED = "\x1b[2m"
RESET = "\x1b[0m"
IMAGE = "[image]"
_ISOLATE, _LEFT_TO_RIGHT, _END_ISOLATE = "\u2068", "\u2066", "\u2069"


class Stretch(NamedTuple):
    """Tokens in a row that are all trained, or all read.

    Attributes:
        text: What they say, without control characters.
        is_trained: Whether they are trained.
        num_tokens: How many they are; an image counts as one.
    """

    text: str
    is_trained: bool
    num_tokens: int


def stretches(
    input_ids: Iterable[int], label_spans: Iterable[Sequence[int]], tokenizer: TextTokenizer
) -> Iterator[Stretch]:
    """Yields a sample's stretches in order.

    Args:
        input_ids: Its ids, with one sentinel for each image.
        label_spans: Half-open spans of the ids that are trained.
        tokenizer: The tokenizer that made it.
    """
    ids = list(input_ids)
    trained = [False] * len(ids)
    for start, end in label_spans:
        trained[start:end] = [True] * (end - start)
    for is_trained, pairs in groupby(zip(ids, trained, strict=True), key=lambda pair: pair[1]):
        own = [token_id for token_id, _ in pairs]
        yield Stretch(_text(own, tokenizer), is_trained, len(own))


def preview(
    input_ids: Iterable[int], label_spans: Iterable[Sequence[int]], tokenizer: TextTokenizer
) -> str:
    """Returns a sample as text with terminal colours: trained tokens green, the others dim.

    Args:
        input_ids: As for `stretches`.
        label_spans: As for `stretches`.
        tokenizer: The tokenizer that made it.
    """
    return "".join(map(coloured, stretches(input_ids, label_spans, tokenizer)))


def _text(ids: Sequence[int], tokenizer: TextTokenizer) -> str:
    """Returns the text of a stretch; bytes that are no whole character appear as escapes.

    Beside right-to-left text, marks such as `</s>` are isolated: else they would be mirrored.
    """
    parts: list[tuple[bool, str]] = []
    for is_mark, own in groupby(ids, lambda i: i == IMAGE_SENTINEL or tokenizer.is_special(i)):
        raw = b"".join(
            IMAGE.encode() if token_id == IMAGE_SENTINEL else tokenizer.token_bytes(token_id)
            for token_id in own
        )
        parts.append((is_mark, visible(raw.decode(errors="backslashreplace"))))
    mirrors = any(_is_right_to_left(text) for _, text in parts)
    return "".join(
        f"{_LEFT_TO_RIGHT}{text}{_END_ISOLATE}" if mirrors and is_mark else text
        for is_mark, text in parts
    )


def _is_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def coloured(part: Stretch) -> str:
    """Returns a stretch with its colour, line by line.

    Args:
        part: The stretch.
    """
    # Terminals may end a colour with the line, and isolates end with the paragraph.
    colour = TRAINED if part.is_trained else UNTRAINED
    return "\n".join(
        f"{colour}{_isolated(line)}{RESET}" if line else "" for line in part.text.split("\n")
    )


def _isolated(line: str) -> str:
    if _is_right_to_left(line):
        return f"{_ISOLATE}{line}{_END_ISOLATE}"
    return line
