"""What a browser asks for: a value of JSON in which nothing is trusted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from palo import languages

Side = Literal["first", "second"]
Deed = Literal["ask", "example", "again", "edit", "new", "compare", "relabel"]
_DEEDS: tuple[Deed, ...] = ("ask", "example", "again", "edit", "new", "compare", "relabel")
_LONGEST_NAME = 200
_MAX_TEMPERATURE = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatAct:
    """One act of a visitor, with the settings that the page showed then.

    Attributes:
        deed: The act.
        text: Text of the question.
        image: File of its image; None without one. It may be anybody's: see `ChatHandlers`.
        side: The chat that a button belongs to.
        position: The message that it belongs to, or an example's number.
        compare: Whether two models are compared.
        models: Names of the first and the second model.
        language: ISO code of the wanted language; "" for that of the question.
        temperature: Temperature of sampling; 0 for greedy decoding.
        length: Longest answer, in tokens.
        code: ISO code of the page's language.
    """

    deed: Deed = "relabel"
    text: str = ""
    image: Path | None = None
    side: Side = "first"
    position: int = -1
    compare: bool = False
    models: tuple[str, str] = ("", "")
    language: str = ""
    temperature: float = 0.2
    length: int = 256
    code: str = "en"

    @classmethod
    def read(cls, values: object, max_length: int) -> "ChatAct":
        """Returns the act that a browser sent; what can't be is left out.

        Args:
            values: What it sent.
            max_length: Most tokens that can be asked for.
        """
        given: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        image = given.get("image")
        path = image.get("path") if isinstance(image, Mapping) else None
        models = given.get("models")
        names = models if isinstance(models, list) else []
        return cls(
            deed=next((one for one in _DEEDS if one == given.get("do")), "relabel"),
            text=_text(given.get("text")).strip(),
            image=Path(path) if isinstance(path, str) and path and "\0" not in path else None,
            side="second" if given.get("side") == "second" else "first",
            position=_whole(given.get("position"), -1),
            compare=given.get("compare") is True,
            models=(_name(names[:1]), _name(names[1:2])),
            language=_language(given.get("language"), ""),
            temperature=min(max(_number(given.get("temperature"), 0.2), 0.0), _MAX_TEMPERATURE),
            length=min(max(_whole(given.get("length"), 256), 1), max_length),
            code=_language(given.get("code"), "en"),
        )


def _language(value: object, default: str) -> str:
    return value if isinstance(value, str) and languages.known(value) else default


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _name(values: list[Any]) -> str:
    return _text(values[0] if values else "")[:_LONGEST_NAME]


def _whole(value: object, default: int) -> int:
    return value if type(value) is int else default


def _number(value: object, default: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else default  # type: ignore[arg-type]
