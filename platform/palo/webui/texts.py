"""What the page says, in each language: the files of `texts/`."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from palo import languages
from palo.client import EndpointError

_FOLDER = Path(__file__).parent / "texts"
_DEFAULT = "en"
_RETRY_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PageTexts:
    """The page's texts in one language.

    Attributes:
        language: The language.
        texts: By the names that the code uses.
        errors: What went wrong and what to do, by the code of the error.
    """

    language: languages.Language
    texts: Mapping[str, str]
    errors: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def error(self, error: EndpointError) -> str:
        """Returns what to tell somebody who met an error."""
        seconds = math.ceil(_RETRY_S if error.retry_after_s is None else error.retry_after_s)
        told = self.errors[error.code].format(seconds=isolated(seconds))
        if error.request_id is None:
            return told
        return f"{told} {self['request'].format(id=isolated(error.request_id))}"

    def speed(self, *, speed: float, first_s: float, count: int) -> str:
        """Returns the line about how fast an answer came."""
        return self["speed"].format(
            speed=isolated(f"{speed:.1f}"), first=isolated(f"{first_s:.2f}"), count=isolated(count)
        )


def isolated(value: object) -> str:
    """Returns a value so that it keeps its own direction within a line of the other one."""
    return f"\u2068{value}\u2069"


def page_texts(code: str) -> PageTexts:
    """Returns the texts of a language; English ones for a language that has none yet."""
    return read_texts(_FOLDER, code)


@cache
def read_texts(folder: Path, code: str) -> PageTexts:
    """Returns a page's texts in a language; English ones for a language that has none yet.

    Args:
        folder: The page's texts, a file for each language.
        code: ISO code of the language.
    """
    path = folder / f"{code}.toml"
    if not path.is_file():
        path = folder / f"{_DEFAULT}.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    errors = values.pop("errors")
    return PageTexts(language=languages.get(path.stem), texts=values, errors=errors)


def chosen_language(cookie: str | None, accepted: str | None) -> str:
    """Returns the language for somebody who comes to the page.

    Args:
        cookie: Code that was chosen before; None if none was.
        accepted: The browser's `Accept-Language`.
    """
    if languages.known(cookie):
        return str(cookie)
    for part in (accepted or "").split(","):
        code = part.partition(";")[0].strip().partition("-")[0].lower()
        if languages.known(code):
            return code
    return _DEFAULT
