"""What the review page says, in each language: the files of `texts/`."""

from pathlib import Path

from palo.webui.texts import Words, read_words

FOLDER = Path(__file__).parent / "texts"
"""Where the texts are."""


def review_words(code: str) -> Words:
    """Returns the texts of a language; English ones for a language that has none yet."""
    return read_words(FOLDER, code)
