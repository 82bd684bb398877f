"""Text from a stream of tokens: whole characters only, and nothing of a stop text."""

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
        self._stops = tuple(map(_Stop, stops))
        self._held = ""

    def add(self, token_id: int) -> str:
        """Takes the next id.

        Args:
            token_id: The id; negative ids and control tokens give no text.

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
        places = [place for stop in self._stops if (place := stop.find(text)) is not None]
        if places:
            end = len(self._held) + min(places)
            self.stopped, text, self._held = True, (self._held + text)[:end], ""
            return text
        waiting = max(stop.num_waiting for stop in self._stops)
        text = self._held + text
        self._held = text[len(text) - waiting :]
        return text[: len(text) - waiting]


class _Stop:
    """A stop text and how much of it has come, with one look at each character.

    Source: D. Knuth, J. Morris and V. Pratt, Fast pattern matching in strings (1977).

    Attributes:
        num_waiting: How many characters at the end of what came begin the stop text.
    """

    def __init__(self, text: str) -> None:
        self.num_waiting = 0
        self._text = text
        # How many characters at the end of each beginning of the stop text begin it again.
        self._again = [0]
        for character in text[1:]:
            self._again.append(self._after(self._again[-1], character))

    def find(self, added: str) -> int | None:
        """Takes more text; returns where in it the stop text begins, before it if that is below 0.

        None if it doesn't end in it.
        """
        if not self.num_waiting and self._text[0] not in added:
            return None
        for end, character in enumerate(added, start=1):
            self.num_waiting = self._after(self.num_waiting, character)
            if self.num_waiting == len(self._text):
                return end - len(self._text)
        return None

    def _after(self, num_waiting: int, character: str) -> int:
        while num_waiting and self._text[num_waiting] != character:
            num_waiting = self._again[num_waiting - 1]
        return num_waiting + (self._text[num_waiting] == character)
