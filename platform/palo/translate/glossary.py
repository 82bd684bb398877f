"""Glossaries: names and terms with a fixed translation.

A glossary is a TOML file with one table for each term. The key of the table is the term in the
source's language; each language's code names the translation, or "=" for the term itself:

    ["Eiffel Tower"]
    fr = "tour Eiffel"
    ur = "ایفل ٹاور"

    [PALO]
    "*" = "="

"*" is for every language without an entry of its own. Terms are found as whole words, longer
ones first. Capital letters make no difference, except for a term that has some itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from palo import languages, storage
from palo.errors import ConfigError

_ANY, _SAME = "*", "="


@dataclass(frozen=True, kw_only=True, slots=True)
class GlossaryEntry:
    """One term.

    Attributes:
        term: The term in the source's language.
        translations: The term in the translation, by ISO 639-1 code or "*".
    """

    term: str
    translations: tuple[tuple[str, str], ...]

    def wanted(self, language: str) -> str | None:
        """Returns the term in a language; None if the entry has none.

        Args:
            language: ISO 639-1 code of the target language.
        """
        translations = dict(self.translations)
        wanted = translations.get(language, translations.get(_ANY))
        return self.term if wanted == _SAME else wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """The terms of a glossary that concern one language.

    Attributes:
        pairs: Terms and their translations.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields the places of terms in a text.

        Args:
            text: Any text in the source's language.
        """
        pattern = _pattern(self.pairs)
        if pattern is not None:
            yield from (match.span() for match in pattern.finditer(text))

    def wanted(self, found: str) -> str:
        """Returns the translation of a term that was found in a text.

        Args:
            found: A term as it is written in a text.
        """
        targets = dict(self.pairs)
        folded = {term.casefold(): wanted for term, wanted in self.pairs}
        wanted = targets.get(found) or folded[found.casefold()]
        return found if wanted.casefold() == found.casefold() else wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class Glossary:
    """Terms whose translation is settled.

    Attributes:
        entries: The terms.
        source_language: ISO 639-1 code of the language that the terms are in.
    """

    entries: tuple[GlossaryEntry, ...] = ()
    source_language: str = "en"

    def faults(self) -> Iterator[str]:
        """Yields contradictions, unknown languages, and empty terms."""
        if not languages.known(self.source_language):
            yield f"the source's language {self.source_language} is unknown"
        seen: dict[tuple[str, str], str] = {}
        for entry in self.entries:
            if not entry.term.strip():
                yield "a term is empty"
            for language, wanted in entry.translations:
                if language != _ANY and not languages.known(language):
                    yield f'"{entry.term}" has a translation into the unknown language {language}'
                if not wanted.strip():
                    yield f'the translation of "{entry.term}" into {language} is empty'
                key = (_key(entry.term), language)
                if seen.setdefault(key, wanted) != wanted:
                    yield (
                        f'"{entry.term}" contradicts itself in {language}: '
                        f'"{seen[key]}" and "{wanted}"'
                    )

    def terms(self, source_language: str, language: str) -> Terms:
        """Returns the terms that concern translations from one language into another.

        Args:
            source_language: ISO 639-1 code of the terms' own language.
            language: ISO 639-1 code of the target language.
        """
        if source_language != self.source_language:
            return Terms()
        found = ((entry.term, entry.wanted(language)) for entry in self.entries)
        return Terms(pairs=tuple((term, wanted) for term, wanted in found if wanted is not None))


def read_glossary(paths: Iterable[Path], source_language: str = "en") -> Glossary:
    """Reads glossaries as one; they may repeat one another but not contradict.

    Args:
        paths: TOML files; later ones must not contradict earlier ones.
        source_language: ISO 639-1 code of the terms' own language.

    Raises:
        ConfigError: If a file isn't TOML of this form, or terms contradict one another.
        StorageError: If a file can't be read.
    """
    entries: list[GlossaryEntry] = []
    for path in paths:
        tables = storage.read_toml(path, fix="A term that is named twice belongs into one table.")
        entries += (_entry(term, table, path) for term, table in tables.items())
    glossary = Glossary(entries=tuple(entries), source_language=source_language)
    if faults := list(glossary.faults()):
        raise ConfigError(
            "the glossary has faults", seen="; ".join(faults), fix="Settle them in its file."
        )
    return glossary


def _entry(term: str, table: object, path: Path) -> GlossaryEntry:
    if not isinstance(table, Mapping) or not all(isinstance(v, str) for v in table.values()):
        raise ConfigError(
            f"{path} has a term without translations",
            seen=term,
            fix='Write a table for each term, for example ["Eiffel Tower"] and fr = "tour Eiffel".',
        )
    return GlossaryEntry(term=term, translations=tuple(table.items()))


def _key(term: str) -> str:
    """Terms of the same key can't be told apart in a text."""
    return term if term != term.lower() else term.casefold()


@cache
def _pattern(pairs: tuple[tuple[str, str], ...]) -> re.Pattern[str] | None:
    terms = sorted((term for term, _ in pairs), key=len, reverse=True)
    if not terms:
        return None
    alternatives = "|".join(
        re.escape(term) if term != term.lower() else f"(?i:{re.escape(term)})" for term in terms
    )
    return re.compile(rf"(?<![^\W_])(?:{alternatives})(?![^\W_])")
