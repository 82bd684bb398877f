"""Turning the pieces of a template into ids, chunk by chunk.

A chunk is what the tokenizer sees at once. What is the same for every text is encoded once and
kept, so that a long corpus pays for its own words alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from palo.text.messages import Turn
from palo.text.templates import Control, Piece, Slot, Template
from palo.text.tokenizer import TextTokenizer
from palo.text.tokenizer_parts import Ids, ids_of

IMAGE_SENTINEL = -200
_TEXT_SLOTS = frozenset((Slot.SYSTEM, Slot.QUESTION, Slot.ANSWER))


@dataclass(slots=True)
class Round:
    """A question with its answer, as ids.

    Attributes:
        question: Ids that are read; one sentinel per image.
        answer: Ids that are trained, its end token included; what is read if `trained` is false.
        num_text_tokens: Ids that aren't sentinels.
        trained: False for an empty answer, which would teach silence.
    """

    question: Ids
    answer: Ids
    num_text_tokens: int
    trained: bool


@dataclass(frozen=True, slots=True)
class _Segment:
    """Pieces between which at most one text is still missing.

    Attributes:
        before: Ids of the chunks before the one with the text.
        opening: Template text of that chunk, in front of the text.
        closing: Template text of that chunk, after the text.
        after: Ids of the chunks after it.
        has_text: Whether there is a chunk with a text.
    """

    before: Ids
    opening: str
    closing: str
    after: Ids
    has_text: bool


class SegmentEncoder:
    """Encodes the segments of one template with one tokenizer.

    Args:
        template: Layout.
        tokenizer: Source of ids.

    Raises:
        MismatchError: If the tokenizer lacks a control token of the template.
    """

    def __init__(self, template: Template, tokenizer: TextTokenizer) -> None:
        self._template = template
        self.tokenizer = tokenizer
        self.between = self._fill(self._segment(template.between), "")
        self._answer = self._segment(template.answer)
        self._questions: dict[int, _Segment] = {}
        self._default_head = self._make_head(template.system_text)

    def head(self, system: str | None) -> Ids:
        """Returns the ids before the first round, to be copied before they are added to.

        Args:
            system: System text; None for the template's own, empty for none.
        """
        return self._default_head if system is None else self._make_head(self._words(system))

    def question(self, text: str, num_images: int) -> Ids:
        """Returns the ids of a user's turn, up to where the assistant begins.

        Args:
            text: The user's words. Beside an image, white space around them goes, as in LLaVA.
            num_images: Sentinels to set at the front.
        """
        segment = self._questions.get(num_images)
        if segment is None:
            segment = self._segment(self._template.question, num_images)
            self._questions[num_images] = segment
        text = text.strip() if num_images else self._words(text)
        if num_images and text:
            text = self._template.after_image + text
        return self._fill(segment, text)

    def answer(self, text: str) -> Ids:
        """Returns the ids of an assistant's turn, its end token included.

        Args:
            text: The assistant's words.
        """
        return self._fill(self._answer, self._words(text))

    def round(self, user: Turn, assistant: Turn) -> Round:
        """Encodes a round with the images that its question brings.

        Args:
            user: The question.
            assistant: Its answer.
        """
        question = self.question(user.text, user.num_images)
        answer = self.answer(assistant.text)
        num_text_tokens = len(question) + len(answer) - user.num_images
        trained = bool(self._words(assistant.text))
        return Round(question, answer, num_text_tokens, trained=trained)

    def with_question(self, part: Round, text: str, num_images: int) -> Round:
        """Returns a round with another question or more images before the same answer.

        Args:
            part: The round whose answer is kept.
            text: The user's words.
            num_images: Sentinels to set at the front.
        """
        question = self.question(text, num_images)
        num_text_tokens = len(question) + len(part.answer) - num_images
        return Round(question, part.answer, num_text_tokens, part.trained)

    def _words(self, text: str) -> str:
        return text.strip() if self._template.trims else text

    def _make_head(self, system: str) -> Ids:
        pieces = self._template.start + (self._template.system if system else ())
        return self._fill(self._segment(pieces), system)

    def _fill(self, segment: _Segment, text: str) -> Ids:
        if not segment.has_text:
            return segment.before
        ids = self.tokenizer.encode(segment.opening + text + segment.closing)
        ids += segment.after
        return segment.before + ids if segment.before else ids

    def _segment(self, pieces: Sequence[Piece], num_images: int = 0) -> _Segment:
        """Encodes all of a segment but the chunk that has the text slot."""
        ids = ids_of()
        chunk = ""
        before: Ids | None = None
        opening = closing = ""
        in_slot_chunk = False
        # The last piece only ends the last chunk.
        for piece in (*pieces, None):
            if isinstance(piece, str):
                chunk += piece
                continue
            if piece in _TEXT_SLOTS:
                before, ids, opening, chunk = ids, ids_of(), chunk, ""
                in_slot_chunk = True
                continue
            if piece is Slot.IMAGES and not num_images:
                continue
            if in_slot_chunk:
                closing, in_slot_chunk = chunk, False
            elif chunk:
                ids += self.tokenizer.encode(chunk)
            chunk = "" if piece is not Slot.SPACE or self.tokenizer.dummy_prefix else " "
            ids += self._control(piece, num_images)
        if before is None:
            return _Segment(ids, "", "", ids_of(), has_text=False)
        return _Segment(before, opening, closing, ids, has_text=True)

    def _control(self, piece: Piece | None, num_images: int) -> Ids:
        if isinstance(piece, Control):
            return ids_of((self.tokenizer.special(piece.token),))
        if piece is Slot.IMAGES:
            return ids_of((IMAGE_SENTINEL,)) * num_images
        if piece is Slot.EOS:
            return ids_of((self.tokenizer.eos_id,))
        if piece is Slot.BOS and self.tokenizer.bos_id is not None:
            return ids_of((self.tokenizer.bos_id,))
        return ids_of()


@lru_cache(maxsize=8)
def segment_encoder(template: Template, tokenizer: TextTokenizer) -> SegmentEncoder:
    """Returns the encoder of a template and a tokenizer, cached.

    Args:
        template: Layout.
        tokenizer: Source of ids.

    Raises:
        MismatchError: If the tokenizer lacks a control token of the template.
    """
    return SegmentEncoder(template, tokenizer)
