"""The files of languages: the package's own, and those that a user adds in a folder.

`PALO_LANGUAGES` names the folder; without it, `languages` beside the runs is the folder if it is
there. Each language in it is a folder of its own, named by its code:

    languages/sw/language.toml     facts: names, script, direction, marks, digits
    languages/sw/profile.toml      what the checks of translations know: units, numbers, words
    languages/sw/translator.toml   what translators are told, and what they call the language
    languages/sw/words.toml        requests for translations, yes and no
    languages/sw/scenes.toml       the words for drawn scenes
    languages/sw/chat_page.toml    texts of the chat page
    languages/sw/review_page.toml  texts of the review page

`jobs/add_language.py` writes them. All but the first may be incomplete or missing.
"""

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from palo import storage
from palo.config import from_dict
from palo.errors import ConfigError
from palo.store import lasting_path, shared_folder

T = TypeVar("T")

SETTING = "PALO_LANGUAGES"
"""Environment variable that names the folder of added languages."""

Kind = Literal["language", "profile", "translator", "words", "scenes", "chat_page", "review_page"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_USUAL = Path("languages")
_OPEN = re.compile(r'#\? ("(?:[^"\\]|\\.)*"|[\w-]+) = ')
_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")


def added_folder() -> Path | None:
    """Returns the folder of added languages that is set; None if none is.

    Raises:
        ConfigError: If the setting names a relative path, which each process would find elsewhere.
        StorageError: If it is an s3:// URI without a bucket.
    """
    return _folder_of(os.environ.get(SETTING, ""))


@lru_cache(maxsize=8)
def _folder_of(text: str) -> Path | None:
    return shared_folder(SETTING, text)


def usual_folder() -> Path:
    """Returns where languages are added if no folder is set: on a disk, beside the runs."""
    here = _USUAL.absolute()
    return here if here.is_dir() else lasting_path(_USUAL, on_disk=True).expanduser().absolute()


def choose_added_folder() -> None:
    """Sets the usual folder for this process and those that it starts, if it is there."""
    if added_folder() is None and (usual := usual_folder()).is_dir():
        os.environ[SETTING] = str(usual)


def added_codes() -> tuple[str, ...]:
    """Returns the codes of the added languages, sorted.

    Raises:
        ConfigError: If the setting names a folder that isn't there.
    """
    return _codes(added_folder())


@lru_cache(maxsize=8)
def _codes(folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    if not folder.is_dir() and not isinstance(folder, storage.S3Path):  # which has no empty ones
        raise ConfigError(
            f"{SETTING} names a folder that isn't there",
            seen=folder,
            fix="Correct it, or unset it to do without added languages.",
        )
    return tuple(sorted(one.name for one in folder.iterdir() if _facts(one).is_file()))


def _facts(folder: Path) -> Path:
    return folder / "language.toml"


def open_entries(text: str) -> list[tuple[str, str]]:
    """Returns the entries of a language's file that are left to a native speaker.

    Each is a line such as `#? answer_wish = "Answer in Swahili."` whose key isn't set elsewhere.

    Args:
        text: The file.

    Returns:
        Table and key of each; the table is "" at the top.

    Raises:
        ValueError: If it is no TOML.
    """
    values = tomllib.loads(text)
    found, table = [], ""
    for line in text.splitlines():
        if header := table_begun_by(line):
            table = header
        elif wanted := _OPEN.match(line):
            key = tomllib.loads(f"key = {wanted[1]}")["key"] if wanted[1][0] == '"' else wanted[1]
            own = values.get(table, {}) if table else values
            if not isinstance(own, Mapping) or key not in own:
                found.append((table, key))
    return found


def table_begun_by(line: str) -> str:
    """Returns the name of the table that a line of TOML begins; "" if it begins none.

    Args:
        line: The line.
    """
    found = _HEADER.match(line)
    return found[1].strip().strip("\"'") if found else ""


def say_what_is_open() -> None:
    """Says on standard error how much of the added languages is left to native speakers, if any.

    Raises:
        ConfigError: If one of their files is no TOML.
        StorageError: If one can't be read.
    """
    folder = added_folder()
    if folder is None:
        return
    counts = {code: _num_open(folder / code) for code in added_codes()}
    still = ", ".join(f"{count} of {code}" for code, count in counts.items() if count)
    if still:
        print(
            f"languages in {folder}: left to native speakers are {still}; English or CLDR stands "
            "in (python jobs/add_language.py CODE shows them)",
            file=sys.stderr,
        )


def _num_open(folder: Path) -> int:
    count = 0
    for path in (folder / f"{kind}.toml" for kind in KINDS):
        if path.is_file():
            storage.read_toml(path)  # which says what is wrong with it
            count += len(open_entries(storage.read_text(path)))
    return count


def language_entries(code: str, kind: Kind, built_in: Path | None = None) -> Mapping[str, Any]:
    """Returns what a file of a language says; empty if the language has no such file.

    Args:
        code: ISO code of the language.
        kind: Which of its files.
        built_in: Folder of the package's own files of this kind; one of them counts alone.

    Raises:
        ConfigError: If a user's file is no TOML.
        StorageError: If it can't be read.
    """
    return _entries(added_folder(), code, kind, built_in)


@lru_cache(maxsize=1024)
def _entries(
    folder: Path | None, code: str, kind: Kind, built_in: Path | None
) -> Mapping[str, Any]:
    if built_in is not None and (own := built_in / f"{code}.toml").is_file():
        return tomllib.loads(own.read_text(encoding="utf-8"))
    if folder is None or code not in _codes(folder):
        return {}
    path = folder / code / f"{kind}.toml"
    return storage.read_toml(path) if path.is_file() else {}


def forget_read_files() -> None:
    """Has the files of added languages read again, since they have changed."""
    for read in (_codes, _entries, _words):
        read.cache_clear()


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageWords:
    """Words of a language that code needs.

    Attributes:
        translate: Asks for a translation into it, in the language itself; "" if it isn't known.
        go_on: Asks to go on with a text in it, in the language itself; "" if it isn't known.
        yes: How an answer begins that says yes.
        no: How an answer begins that says no.
    """

    translate: str = ""
    go_on: str = ""
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()


def language_words(code: str, built_in: Path | None = None) -> LanguageWords:
    """Returns the words of a language; empty ones if it has no such file.

    Args:
        code: ISO code of the language.
        built_in: Folder of the package's own files of them.

    Raises:
        ConfigError: If a user's file has a wrong entry.
    """
    return _words(added_folder(), code, built_in)


@lru_cache(maxsize=256)
def _words(_folder: Path | None, code: str, built_in: Path | None) -> LanguageWords:
    return read_as(LanguageWords, code, "words", built_in)


def read_as(form: type[T], code: str, kind: Kind, built_in: Path | None = None) -> T:
    """Returns what a file of a language says, as a dataclass; its defaults if there is no file.

    Args:
        form: The dataclass.
        code: ISO code of the language.
        kind: Which of its files.
        built_in: Folder of the package's own files of this kind; one of them counts alone.

    Raises:
        ConfigError: If a user's file has a wrong entry.
    """
    try:
        return from_dict(form, language_entries(code, kind, built_in))
    except ConfigError as error:
        raise ConfigError(
            f"{added_folder()}/{code}/{kind}.toml: {error.fact}", seen=error.seen, fix=error.fix
        ) from error
