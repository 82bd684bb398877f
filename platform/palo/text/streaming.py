"""Text that grows token by token: whole characters only, never half of one."""

import codecs

from palo.text.tokenizer import TextTokenizer


class TextStream:
    """Turns ids into text as they come.

    Half of a Chinese or Bengali text may be tokens of single bytes: what doesn't complete a
    character waits for the next id. Bytes that are no character at all are left out.

    Args:
        tokenizer: Whose ids come.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._at_start = True

    def add(self, token_id: int) -> str:
        """Takes the next id.

        Returns:
            The text that is complete by now and hasn't been returned yet, perhaps none.
        """
        if token_id < 0 or self._tokenizer.is_special(token_id):
            return ""
        text = self._decoder.decode(self._tokenizer.token_bytes(token_id))
        # The space that the tokenizer itself puts before every text is none of the text's.
        if self._at_start and self._tokenizer.dummy_prefix:
            text = text.removeprefix(" ")
        self._at_start = False
        return text
