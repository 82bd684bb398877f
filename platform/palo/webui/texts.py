"""The texts of pages in each language, from the files of `texts/`."""

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from palo import languages
from palo.client import EndpointError
from palo.errors import ConfigError
from palo.html.page import Templates
from palo.language_files import Kind, added_folder, language_entries

FOLDER = Path(__file__).parent / "texts"
"""The chat page's texts, a file for each language."""
_DEFAULT = "en"
_RETRY_S = 5.0
_TEMPLATES = Templates(Path(__file__).parent / "templates")


@dataclass(frozen=True, kw_only=True, slots=True)
class PageTexts:
    """The page's texts in one language.

    Attributes:
        language: The language.
        texts: By the names that the code uses.
        errors: Messages for errors and their remedies, by code.
    """

    language: languages.Language
    texts: Mapping[str, str]
    errors: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.texts[name]

    def error(self, error: EndpointError) -> str:
        """Returns the message for an error.

        Args:
            error: The error.
        """
        seconds = math.ceil(_RETRY_S if error.retry_after_s is None else error.retry_after_s)
        message = self.errors[error.code].format(seconds=isolated(seconds))
        if error.request_id is None:
            return message
        return f"{message} {self['request'].format(id=isolated(error.request_id))}"

    def speed(self, *, speed: float, first_s: float, count: int) -> str:
        """Returns the line about the speed of an answer.

        Args:
            speed: Tokens a second.
            first_s: Seconds until the first token.
            count: Tokens of the answer.
        """
        return self["speed"].format(
            speed=isolated(f"{speed:.1f}"), first=isolated(f"{first_s:.2f}"), count=isolated(count)
        )


def isolated(value: object) -> str:
    """Returns a value so that it keeps its own direction within a line of the other one.

    Args:
        value: The value.
    """
    return f"\u2068{value}\u2069"


def notice(text: str, kind: Literal["news", "problem", "hint"] = "news") -> Markup:
    """Returns a notice as HTML; "" without a text.

    Args:
        text: The text.
        kind: Screen readers speak a problem at once, and news when they have time.
    """
    return _TEMPLATES.render("notice.html", text=text, kind=kind)


def page_texts(code: str) -> PageTexts:
    """Returns the texts of a language; English ones for a language that has none yet.

    Args:
        code: ISO code of the language.
    """
    return read_texts(FOLDER, code, "chat_page")


@cache
def read_texts(folder: Path, code: str, kind: Kind) -> PageTexts:
    """Returns a page's texts in a language; an English one for each that the language lacks.

    Args:
        folder: The page's texts, a file for each language.
        code: ISO code of the language.
        kind: What this page's file is called among those of an added language.

    Raises:
        ConfigError: If the file of an added language has a wrong entry.
    """
    english = language_entries(_DEFAULT, kind, folder)
    own = language_entries(code, kind, folder)
    errors = own.get("errors", {})
    if code not in languages.BUILT_IN:
        for name, values, wanted in (("", own, english), ("errors", errors, english["errors"])):
            _check(f"{added_folder()}/{code}/{kind}.toml", name, values, wanted)
    texts = {name: text for name, text in {**english, **own}.items() if name != "errors"}
    has_own = errors or any(name != "errors" for name in own)
    return PageTexts(
        language=languages.get(code if has_own else _DEFAULT),
        texts=texts,
        errors={**english["errors"], **errors},
    )


def _check(file: str, table: str, own: Mapping[str, Any], english: Mapping[str, Any]) -> None:
    """Raises a ConfigError for an unknown name, and for a text with other slots than English."""
    for name, text in own.items():
        shown = f"{table}.{name}" if table else name
        if type(text) is not type(english.get(name)):
            raise ConfigError(
                f"{file} has an entry that no page shows", seen=shown, fix="Remove it."
            )
        if isinstance(text, str) and slots_of(text) != slots_of(english[name]):
            raise ConfigError(
                f"{file} has other slots in {shown} than English",
                seen=text,
                fix=f"Keep what stands between braces in: {english[name]}",
            )


def slots_of(text: str) -> list[str]:
    """Returns the names between braces that a text has, sorted; [""] if its braces are wrong.

    Args:
        text: The text.
    """
    try:
        return sorted(slot for _, slot, _, _ in string.Formatter().parse(text) if slot is not None)
    except ValueError:
        return [""]


def chosen_language(cookie: str | None, accepted: str | None) -> str:
    """Returns the code of the language in which a page is first shown.

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
