"""Makes the files of a new language, or completes those that are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from palo import storage
from palo.errors import ConfigError
from palo.language_files import KINDS, Kind, open_entries
from palo.new_language.cldr import CldrFacts, cldr_version, read_cldr
from palo.new_language.entries import TITLES, UNTIL_THEN, entries_of
from palo.new_language.toml_text import completed, new_text


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageFile:
    """One file of a language after it was made or completed.

    Attributes:
        kind: Which of its files.
        path: Where it is.
        state: What was done: `new`, `completed`, or `unchanged`.
        still_open: Tables and keys that are left to a native speaker.
    """

    kind: Kind
    path: Path
    state: str
    still_open: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AddedLanguage:
    """A language after its files were made or completed.

    Attributes:
        facts: What CLDR says of it.
        folder: Its folder.
        files: Its files.
    """

    facts: CldrFacts
    folder: Path
    files: tuple[LanguageFile, ...]

    @property
    def num_open(self) -> int:
        """How many entries are left to a native speaker."""
        return sum(len(file.still_open) for file in self.files)


def add_language(code: str, folder: Path) -> AddedLanguage:
    """Makes the files of a language; of files that are there, only what they lack.

    All are read before one is written: a file with a mistake leaves everything as it is.

    Args:
        code: Its code, as `checked_code` returns it.
        folder: The folder of added languages.

    Raises:
        ConfigError: If CLDR lacks the language, or a file that is there can't be completed.
        StorageError: If a file can't be read or written.
    """
    facts = read_cldr(code)
    own = folder / code
    texts: dict[Kind, str] = {}
    states: dict[Kind, str] = {}
    for kind in KINDS:
        path = own / f"{kind}.toml"
        before = storage.read_text(path) if path.is_file() else None
        texts[kind] = _completed(kind, facts, path, before)
        states[kind] = _state(before, texts[kind])
    storage.ensure_folder(own)
    for kind, text in texts.items():
        if states[kind] != "unchanged":
            storage.write_text(own / f"{kind}.toml", text)
    return AddedLanguage(facts=facts, folder=own, files=tuple(_files(own, texts, states)))


def _completed(kind: Kind, facts: CldrFacts, path: Path, before: str | None) -> str:
    entries = entries_of(kind, facts)
    if before is None:
        return new_text(_head(kind, facts), entries)
    try:
        return completed(before, entries)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.fact}", seen=error.seen, fix=error.fix) from error


def _state(before: str | None, after: str) -> str:
    if before is None:
        return "new"
    return "unchanged" if before == after else "completed"


def _head(kind: Kind, facts: CldrFacts) -> list[str]:
    return [
        f"{facts.name} ({facts.code}): {TITLES[kind]}.",
        f"A line that begins with #? is left to whoever speaks {facts.name}: write its text in",
        f'{facts.name}, and take the "#? " away. Until then:',
        UNTIL_THEN[kind],
        f"All other lines are from {cldr_version()}; a guess says that it is one: confirm it.",
        "python jobs/add_language.py adds what this file lacks, and never changes what it has.",
    ]


def _files(own: Path, texts: Mapping[Kind, str], states: Mapping[Kind, str]) -> list[LanguageFile]:
    return [
        LanguageFile(
            kind=kind,
            path=own / f"{kind}.toml",
            state=states[kind],
            still_open=tuple(open_entries(text)),
        )
        for kind, text in texts.items()
    ]
