"""Fitting a conversation into samples of limited length.

Ids and labels are appended by the same call, segment by segment, so they can't drift apart.
"""

from dataclasses import dataclass, field

from palo.text.cutting import cut_round
from palo.text.encoded import EncodedSample, Encoding
from palo.text.ids import Ids
from palo.text.messages import Conversation
from palo.text.segments import IMAGE_SENTINEL, Round, SegmentEncoder


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
