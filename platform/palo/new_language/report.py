"""Shows what a language has and what is left to a native speaker, as a page and as lines."""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from palo.html.page import Section, page, table
from palo.language_files import Kind
from palo.new_language.add import AddedLanguage, LanguageFile
from palo.new_language.cldr import CldrFacts, cldr_version
from palo.new_language.entries import TITLES, UNTIL_THEN, Entry, entries_of
from palo.new_language.toml_text import toml_value

PAGE = "gaps.html"
"""Name of the page in a language's folder."""


def summary(language: AddedLanguage) -> Iterator[str]:
    """Yields lines for a terminal: what was made, and what is left to a native speaker.

    Args:
        language: The language.
    """
    facts = language.facts
    yield f"{facts.name} ({facts.code}): {_nature(facts)}; {cldr_version()}"
    width = max(len(str(file.path)) for file in language.files)
    for file in language.files:
        left = f"{len(file.still_open)} open" if file.still_open else "complete"
        yield f"  {file.path!s:{width}}  {file.state:9}  {left:9}  {_examples(file)}".rstrip()
    if language.num_open:
        yield (
            f"{language.num_open} entries are left to a native speaker, in lines that begin with "
            '"#? ". Until then English or CLDR stands in.'
        )
    yield f"What is missing, and what it does: {language.folder / PAGE}"
    yield f"It works now: python jobs/translate.py ROWS --to {facts.code} ..."


def _examples(file: LanguageFile) -> str:
    names = [".".join(part for part in entry if part) for entry in file.still_open]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _nature(facts: CldrFacts) -> str:
    direction = "right to left" if facts.direction == "rtl" else "left to right"
    return f"script {facts.script}, {direction}, digits {facts.digits}"


def gaps_page(language: AddedLanguage) -> str:
    """Returns the page of what a language has and lacks.

    Args:
        language: The language.
    """
    facts = language.facts
    known = {file.kind: {(e.table, e.key): e for e in entries_of(file.kind, facts)}
             for file in language.files}  # fmt: skip
    sections = [_overview(language), _cldr(facts), _guesses(known)]
    sections += [_gaps(file, known[file.kind]) for file in language.files if file.still_open]
    left = f"{language.num_open} entries are left to a native speaker" if language.num_open else ""
    return page(
        f"{facts.name} ({facts.code})", left or "Nothing is left to a native speaker", sections
    )


def _overview(language: AddedLanguage) -> Section:
    rows = [
        (file.path.name, TITLES[file.kind], str(len(file.still_open) or ""),
         UNTIL_THEN[file.kind] if file.still_open else "")
        for file in language.files
    ]  # fmt: skip
    head = ("file", "what it holds", "open", "until a native speaker has filled it in")
    body = _paragraph(
        f"The files are in {language.folder}. A line that begins with #? is open: write its text "
        f"in {language.facts.name}, take the #? away, and run jobs/add_language.py again to see "
        "what is left."
    )
    return Section("files", "Files", body + table("Files", head, rows, name_columns=4))


def _cldr(facts: CldrFacts) -> Section:
    rows = [
        ("Native name", facts.native_name),
        ("Script, direction", f"{facts.script}, {facts.direction}"),
        ("Digits", facts.digits),
        ("Decimals and thousands", f"{facts.decimal} {facts.group}"),
        ("Letters of its words, frequent ones first", " ".join(facts.letters)),
        ("The last two of several", facts.final_and.format("A", "B")),
        ("Form of the noun beside 0, 1, 2, 3, 4", ", ".join(facts.plurals)),
        ("Months", ", ".join(facts.months)),
        ("Words that multiply", ", ".join(f"{w}: 10^{p}" for w, p in facts.magnitudes.items())),
        ("Its name elsewhere", _listed(facts.names_elsewhere)),
        ("Other languages in it", _listed(facts.names_here)),
        ("Other codes", ", ".join(facts.other_codes)),
    ]
    shown = [row for row in rows if row[1].strip()]
    return Section(
        "cldr", f"What {cldr_version()} says", table("CLDR", ("", ""), shown, name_columns=2)
    )


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{code} {name}" for code, name in names.items())


def _guesses(known: Mapping[Kind, Mapping[tuple[str, str], Entry]]) -> Section:
    rows = [
        (f"{kind}.toml", key, _shown(entry.value), entry.note)
        for kind, entries in known.items()
        for (_, key), entry in entries.items()
        if entry.origin == "guess"
    ]
    body = _paragraph(
        "Rules of thumb gave these. See whether they are right, and correct the file."
    )
    head = ("file", "entry", "guess", "what it is")
    return Section(
        "guesses", "Guesses to confirm", body + table("Guesses", head, rows, name_columns=4)
    )


def _gaps(file: LanguageFile, known: Mapping[tuple[str, str], Entry]) -> Section:
    rows = []
    for place in file.still_open:
        entry = known.get(place)
        name = ".".join(part for part in place if part)
        rows.append((name, _shown(entry.example) if entry else "", entry.note if entry else ""))
    body = _paragraph(UNTIL_THEN[file.kind])
    head = ("entry", "English, or an example", "what it is")
    title = f"Open in {file.path.name}"
    return Section(file.kind, title, body + table(title, head, rows, name_columns=3))


def _shown(value: Any) -> str:  # noqa: ANN401 - any value of a TOML file
    return value if isinstance(value, str) else toml_value(value)


def _paragraph(text: str) -> Markup:
    return Markup("<p>{}</p>").format(text)
