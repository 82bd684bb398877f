"""Checks the files of a language as everything that reads them does."""

from importlib.resources import files
from pathlib import Path

from palo import languages
from palo.language_files import language_words
from palo.scenes.phrase_book import spoken_codes
from palo.translate.language_profiles.profile import language_profile
from palo.translate.prompts.prompt import translator_notes
from palo.webui.texts import page_texts, read_texts

_REVIEW = Path(str(files("palo.translate.review.page"))) / "texts"


def check_files(code: str) -> None:
    """Reads all files of a language.

    Args:
        code: Its code.

    Raises:
        ConfigError: If one has a wrong entry; the message names both.
    """
    languages.get(code)
    language_words(code)
    language_profile(code)
    translator_notes(code)
    spoken_codes()
    page_texts(code)
    read_texts(_REVIEW, code, "review_page")
