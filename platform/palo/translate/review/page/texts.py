"""What the review page says, in each language: the files of `texts/`."""

from pathlib import Path

from palo.webui.texts import PageTexts, read_texts

FOLDER = Path(__file__).parent / "texts"
"""Where the texts are."""


def review_texts(code: str) -> PageTexts:
    """Returns the texts of a language; English ones for a language that has none yet."""
    return read_texts(FOLDER, code)
