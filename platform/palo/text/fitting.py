"""Fitting a conversation into samples of limited length: limits, samples, splitting and cutting.

Ids and labels are appended by the same call, segment by segment, so they can't drift apart.

A round that is too long by itself is cut. The answer keeps its beginning and loses its end token
too: a model that learned an end where the text was cut would stop in mid-sentence. Half of the room
is the answer's if it needs it. A question that is longer than the rest loses its beginning, since
the request mostly stands at its end.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from palo.text.messages import Conversation
from palo.text.segments import IMAGE_SENTINEL, Round, SegmentEncoder
from palo.text.tokenizer import TextTokenizer
from palo.text.tokenizer_parts import Ids

_JOINERS = "\u200c\u200d"
# Bytes as pieces need three steps; byte-level merges may straddle several characters in a row.
_MAX_STEPS_BACK = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodingLimits:
    """How long a sample may be, and what happens to longer conversations.

    Attributes:
        max_text_tokens: Most ids of a sample, image sentinels not counted.
        overflow: split makes several samples; truncate cuts the tail off, as LLaVA does.
    """

    max_text_tokens: int
    overflow: Literal["split", "truncate"] = "split"

    def faults(self) -> Iterator[str]:
        """Yields what is wrong."""
        if self.max_text_tokens < 16:
            yield f"max_text_tokens must be at least 16, got {self.max_text_tokens}"
        if self.overflow not in ("split", "truncate"):
            yield f"overflow must be split or truncate, got {self.overflow!r}"


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedSample:
    """One training sample.

    Attributes:
        input_ids: Token ids with one sentinel per image.
        label_spans: Half-open, ascending index ranges of the ids that are trained; never empty.
        num_text_tokens: Ids that aren't sentinels.
        truncated: Whether ids of its own rounds were cut off.
        rounds: Half-open range of the conversation's rounds that it holds, the last perhaps in
            part.
    """

    input_ids: Ids
    label_spans: tuple[tuple[int, int], ...]
    num_text_tokens: int
    truncated: bool
    rounds: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """What became of one conversation: len(samples) = 1 + num_split - num_dropped.

    Attributes:
        samples: In the order of the rounds.
        num_split: Samples beyond the first that splitting made.
        num_cut: Samples that were truncated.
        num_dropped: Samples left out because no trained token fits in, or there was none.
    """

    samples: tuple[EncodedSample, ...]
    num_split: int = 0
    num_cut: int = 0
    num_dropped: int = 0


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

    Args:
        ids: Ids of a text.
        tokenizer: The tokenizer that made them.
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


@dataclass(slots=True)
class _Draft:
    """A sample in the making."""

    ids: Ids
    num_text_tokens: int
    first_round: int
    end_round: int
    spans: list[tuple[int, int]] = field(default_factory=list)

    def add(self, ids: Ids, *, trained: bool = False) -> None:
        """Appends ids and, in the same step, whether they are labels."""
        start = len(self.ids)
        self.ids += ids
        if trained and ids:
            self.spans.append((start, len(self.ids)))

    def add_round(self, part: Round, between: Ids) -> None:
        if self.end_round > self.first_round:
            self.add(between)
            self.num_text_tokens += len(between)
        self.add(part.question)
        self.add(part.answer, trained=part.trained)
        self.num_text_tokens += part.num_text_tokens
        self.end_round += 1

    def finish(self, *, truncated: bool = False) -> EncodedSample:
        return EncodedSample(
            input_ids=self.ids,
            label_spans=tuple(self.spans),
            num_text_tokens=self.num_text_tokens,
            truncated=truncated,
            rounds=(self.first_round, self.end_round),
        )


def split(conversation: Conversation, encoder: SegmentEncoder, limit: int) -> Encoding:
    """Splits a conversation between rounds where it grows beyond the limit.

    Each part begins like a conversation of its own, with the system text and with the images that
    were shown so far at the front of its first question.

    Args:
        conversation: Ends with the assistant's turn.
        encoder: Encoder of the template.
        limit: Most text tokens of a sample.
    """
    head = encoder.head(conversation.system)
    samples: list[EncodedSample] = []
    num_parts = num_images = 0
    draft: _Draft | None = None

    def close(draft: _Draft | None, *, truncated: bool = False) -> None:
        if draft is not None and draft.spans:
            samples.append(draft.finish(truncated=truncated))

    for index, (user, assistant) in enumerate(conversation.rounds()):
        shown_before, num_images = num_images, num_images + user.num_images
        part = encoder.round(user, assistant)
        if draft is not None:
            size = draft.num_text_tokens + len(encoder.between) + part.num_text_tokens
            if size <= limit:
                draft.add_round(part, encoder.between)
                continue
            close(draft)
        if shown_before:
            part = encoder.with_question(part, user.text, num_images)
        num_parts += 1
        draft = _Draft(head[:], len(head), index, index)
        if len(head) + part.num_text_tokens <= limit:
            draft.add_round(part, encoder.between)
            continue
        cut = cut_round(encoder, part, user.text, num_images, limit - len(head))
        if cut is not None:
            draft.add_round(cut, encoder.between)
        # Nothing may follow an answer that has no end.
        close(draft, truncated=True)
        draft = None
    close(draft)
    return Encoding(
        samples=tuple(samples),
        num_split=num_parts - 1,
        num_cut=sum(sample.truncated for sample in samples),
        num_dropped=num_parts - len(samples),
    )


def truncate(conversation: Conversation, encoder: SegmentEncoder, limit: int) -> Encoding:
    """Cuts off what is beyond the limit, as LLaVA does; without labels left, all is dropped.

    Args:
        conversation: Ends with the assistant's turn.
        encoder: Encoder of the template.
        limit: Most text tokens of a sample; with LLaVA's figures 2,048 less the image's tokens.
    """
    head = encoder.head(conversation.system)
    draft = _Draft(head[:], len(head), 0, 0)
    for user, assistant in conversation.rounds():
        draft.add_round(encoder.round(user, assistant), encoder.between)
        if draft.num_text_tokens > limit:
            break
    truncated = draft.num_text_tokens > limit
    if truncated:
        _cut_tail(draft, limit)
    if not draft.spans:
        return Encoding(samples=(), num_dropped=1)
    return Encoding(samples=(draft.finish(truncated=truncated),), num_cut=int(truncated))


def _cut_tail(draft: _Draft, limit: int) -> None:
    """Cuts to `limit` text tokens; the images before the cut stay."""
    num_text_tokens = end = 0
    for end, token_id in enumerate(draft.ids):  # noqa: B007
        num_text_tokens += token_id != IMAGE_SENTINEL
        if num_text_tokens > limit:
            break
    del draft.ids[end:]
    draft.num_text_tokens = limit
    draft.spans = [(start, min(stop, end)) for start, stop in draft.spans if start < end]
