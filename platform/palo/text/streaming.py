"""Text that grows token by token: whole characters only, and nothing of a text that ends it."""

import codecs
from collections.abc import Sequence

from palo.text.tokenizer import TextTokenizer


class TextStream:
    """Turns ids into text as they come.

    Half of a Chinese or Bengali text may be tokens of single bytes: what doesn't complete a
    character waits for the next id. Bytes that are no character at all are left out. What may be
    the beginning of a stop text waits too, until it is one or can't become one.

    Args:
        tokenizer: Whose ids come.
        stops: Texts that end the text and are no part of it, none of them empty.

    Attributes:
        stopped: Whether a stop text has come; from then on nothing is added.
    """

    def __init__(self, tokenizer: TextTokenizer, stops: Sequence[str] = ()) -> None:
        self.stopped = False
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._at_start = True
        self._stops = tuple(stops)
        self._held = ""

    def add(self, token_id: int) -> str:
        """Takes the next id.

        Returns:
            The text that is certain by now and hasn't been returned yet, perhaps none.
        """
        if token_id < 0 or self.stopped or self._tokenizer.is_special(token_id):
            return ""
        text = self._decoder.decode(self._tokenizer.token_bytes(token_id))
        # The space that the tokenizer itself puts before every text is none of the text's.
        if self._at_start and self._tokenizer.dummy_prefix:
            text = text.removeprefix(" ")
        self._at_start = False
        return self._certain(text) if self._stops else text

    def end(self) -> str:
        """Ends the text.

        Returns:
            What waited for a stop text that didn't come.
        """
        rest, self._held = self._held, ""
        return rest

    def _certain(self, text: str) -> str:
        text = self._held + text
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.stopped, self._held = True, ""
            return text[: min(places)]
        waiting = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - waiting :]
        return text[: len(text) - waiting]


def _overlap(text: str, stop: str) -> int:
    """Returns how many characters at the end of a text begin a stop text."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
