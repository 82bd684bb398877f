"""Cutting the one round that is too long on its own.

The answer keeps its beginning and loses its end token too: it doesn't end where it was cut, and a
model that learned so would stop in mid-sentence. Half of the room is the answer's if it needs it.
A question that is longer than the rest loses its beginning: the request mostly stands at its end.
"""

import unicodedata
from collections.abc import Sequence

from palo.text.ids import Ids
from palo.text.segments import Round, SegmentEncoder
from palo.text.tokenizer import TextTokenizer

_JOINERS = "\u200c\u200d"
# Bytes as pieces need three steps; byte-level merges may straddle several characters in a row.
_MAX_STEPS_BACK = 16


def cut_round(
    encoder: SegmentEncoder, whole: Round, question: str, num_images: int, room: int
) -> Round | None:
    """Returns a round of at most `room` text tokens; None if no trained token fits in.

    Args:
        encoder: Encoder of the template.
        whole: The round, which is too long.
        question: The user's words of the round.
        num_images: Images that the round shows.
        room: Text tokens for question and answer.
    """
    if not whole.trained:
        return None
    answer_share = min(len(whole.answer), (room + 1) // 2)
    ids = whole.question
    if len(ids) - num_images > room - answer_share:
        ids = _shorten_question(encoder, question, num_images, room - answer_share)
    num_kept = room - (len(ids) - num_images)
    if num_kept < 1:
        return None
    answer = whole_characters(whole.answer[:num_kept], encoder.tokenizer)
    return Round(ids, answer, len(ids) + len(answer) - num_images, trained=True)


def whole_characters(ids: Ids, tokenizer: TextTokenizer) -> Ids:
    """Returns ids without the tokens at their end that hold only part of a character.

    Ids that hold nothing else stay as they are.
    """
    for end in range(len(ids), max(len(ids) - _MAX_STEPS_BACK, 0), -1):
        if not _ends_inside_character(ids[:end], tokenizer):
            return ids[:end]
    return ids


def _ends_inside_character(ids: Sequence[int], tokenizer: TextTokenizer) -> bool:
    tail = b"".join(tokenizer.token_bytes(i) for i in ids[-4:])
    for length, byte in enumerate(reversed(tail[-4:]), start=1):
        if byte < 0x80:
            return False
        if byte >= 0xC0:
            return length < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)
    return False


def _shorten_question(encoder: SegmentEncoder, text: str, num_images: int, room: int) -> Ids:
    """Returns the ids of the longest end of a question that fits; of no words if none does."""
    best = encoder.question("", num_images)
    first, last = 1, len(text)
    while first < last:
        start = (first + last) // 2
        ids = encoder.question(_from_character(text, start), num_images)
        if len(ids) - num_images <= room:
            best, last = ids, start
        else:
            first = start + 1
    return best


def _from_character(text: str, start: int) -> str:
    """Returns the text from `start` on, without marks that belong to the character before it."""
    while start < len(text) and (
        text[start] in _JOINERS or unicodedata.category(text[start]).startswith("M")
    ):
        start += 1
    return text[start:]
