"""Builds the prompts of translators, and names their version."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from palo import languages
from palo.config import fingerprint
from palo.language_files import read_as
from palo.translate.request import TranslationRequest

Message = dict[str, str]

_FOLDER = Path(__file__).parent


def conversation_messages(request: TranslationRequest) -> list[Message]:
    """Returns the chat that asks for all turns of a conversation at once.

    Args:
        request: The conversation.
    """
    ends = _general()["conversation"].format(count=len(request.turns))
    turns = [
        {"role": turn.role, "text": protected.text}
        for turn, protected in zip(request.source.turns, request.turns, strict=True)
    ]
    asked = json.dumps({"turns": turns}, ensure_ascii=False)
    return [
        {"role": "system", "content": _system(request) + ends},
        {"role": "user", "content": asked + _reasons(request)},
    ]


def turn_messages(request: TranslationRequest, number: int) -> list[Message]:
    """Returns the chat that asks for one turn, with the turns before it as context.

    Args:
        request: The conversation.
        number: Number of the turn, from 0.
    """
    words = _general()
    ends = words["turn"].format(language=languages.get(request.language).name)
    asked = words["text"].format(
        role=request.source.turns[number].role, text=request.turns[number].text
    )
    if number:
        before = "\n".join(
            f"{turn.role}: {protected.text}"
            for turn, protected in zip(
                request.source.turns[:number], request.turns[:number], strict=True
            )
        )
        asked = f"{words['context']}\n\n{before}\n\n{asked}"
    return [
        {"role": "system", "content": _system(request) + ends},
        {"role": "user", "content": asked + _reasons(request)},
    ]


def prompt_hash(language: str) -> str:
    """Returns a hash of the prompt for a language: 16 hexadecimal digits.

    Args:
        language: ISO 639-1 code.
    """
    return fingerprint([_general(), translator_notes(language).issues])


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslatorNotes:
    """Notes for translators into a language.

    Attributes:
        issues: Clauses for the prompt.
        nllb: The code that NLLB's models know.
        apertium: The codes that Apertium's pairs may call it.
    """

    issues: tuple[str, ...] = ()
    nllb: str = ""
    apertium: tuple[str, ...] = ()


@cache
def translator_notes(language: str) -> TranslatorNotes:
    """Returns the notes for translators into a language.

    Args:
        language: ISO 639-1 code.

    Returns:
        The notes; for a language without a file there are none, and Apertium's code is its own.

    Raises:
        ConfigError: If a user's file has a wrong entry.
    """
    notes = read_as(TranslatorNotes, language, "translator", _FOLDER / "languages")
    return notes if notes.apertium else replace(notes, apertium=(language,))


@cache
def _general() -> Mapping[str, str]:
    return tomllib.loads((_FOLDER / "general.toml").read_text(encoding="utf-8"))


def _system(request: TranslationRequest) -> str:
    words, language = _general(), languages.get(request.language)
    system = words["system"].format(
        source=languages.get(request.source.language).name,
        language=language.name,
        native=language.native_name,
    )
    issues = translator_notes(request.language).issues
    if issues:
        begin = words["language_issues"].format(language=language.name)
        system = "\n".join([f"{system}\n\n{begin}", *(f"- {issue}" for issue in issues)])
    return f"{system}\n\n"


def _reasons(request: TranslationRequest) -> str:
    if not request.reasons:
        return ""
    return "\n\n" + "\n".join(
        [_general()["refused"], *(f"- {reason}" for reason in request.reasons)]
    )
