"""Writes files of a language as TOML, and adds what a file lacks without touching the rest."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from palo.errors import ConfigError
from palo.language_files import open_entries, table_begun_by
from palo.new_language.entries import Entry

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def new_text(head: Iterable[str], entries: Iterable[Entry]) -> str:
    """Returns a new file.

    Args:
        head: Lines of comment at its top.
        entries: Its entries.
    """
    lines = [f"# {line}" for line in head]
    return completed("\n".join(lines) + "\n", entries, is_new=True)


def completed(text: str, entries: Iterable[Entry], *, is_new: bool = False) -> str:
    """Returns a file with the entries that it lacks; what it has stays as it is.

    Args:
        text: The file.
        entries: All entries that it should have.
        is_new: Whether examples are added, too, that a file needs not have.

    Raises:
        ConfigError: If the file is no TOML, or is written so that nothing can be added.
    """
    try:
        values, still_open = tomllib.loads(text), set(open_entries(text))
    except ValueError as error:
        raise ConfigError("it is no TOML", seen=error, fix="Correct it, then try again.") from None
    lines = text.splitlines()
    added: dict[str, dict[str, Any]] = {}
    for entry in entries:
        table = values.get(entry.table, {}) if entry.table else values
        is_there = isinstance(table, Mapping) and entry.key in table
        if is_there or (entry.table, entry.key) in still_open or (entry.optional and not is_new):
            continue
        place = _place(lines, entry.table, values)
        lines[place:place] = _lines(entry)
        own = added.setdefault(entry.table, {})
        if entry.value is not None:
            own[entry.key] = entry.value
    whole = "\n".join(lines) + "\n" if lines else ""
    if whole != text and _parsed(whole) != _merged(values, added):
        raise ConfigError(
            "nothing can be added to it as it is written",
            seen="tables within braces or brackets",
            fix="Write its tables with headers, such as [units], each once.",
        )
    return whole if lines != text.splitlines() else text


def _place(lines: list[str], table: str, values: Mapping[str, Any]) -> int:
    """Returns before which line an entry goes; a table that is missing is begun at the end."""
    headers = [
        (number, name) for number, line in enumerate(lines) if (name := table_begun_by(line))
    ]
    starts = [number for number, _ in headers] + [len(lines)]
    if not table:
        return _behind(lines, 0, starts[0])
    for position, (number, name) in enumerate(headers):
        if name == table:
            return _behind(lines, number + 1, starts[position + 1])
    if table not in values:
        lines.extend(["", f"[{_key(table)}]"])
    return len(lines)


def _behind(lines: list[str], start: int, end: int) -> int:
    """Returns the end of a table's lines, before empty ones."""
    while end > start and not lines[end - 1].strip():
        end -= 1
    return end


def _lines(entry: Entry) -> list[str]:
    notes = [
        *(["A guess"] if entry.origin == "guess" else []),
        *([entry.note] if entry.note else []),
    ]
    note = ": ".join(notes)
    shown = entry.example if entry.value is None else entry.value
    mark = "" if entry.value is not None else "#: " if entry.optional else "#? "
    comment = [f"# {note[0].upper()}{note[1:]}."] if note else []
    return [*comment, f"{mark}{_key(entry.key)} = {toml_value(shown)}"]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def toml_value(value: object) -> str:
    """Returns a value as TOML, on one line.

    Args:
        value: A text, number, truth value, list, or mapping of these.
    """
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {toml_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _merged(values: Mapping[str, Any], added: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns what a file must say: all that it said, and what was added to it."""
    whole = dict(values) | dict(added.get("", {}))
    for table in (name for name in added if name):
        whole[table] = {**values.get(table, {}), **added[table]}
    return whole
