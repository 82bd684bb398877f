"""The model card: README.md of an export, built from plain data.

What isn't recorded says so: a card with gaps is better than one that guesses.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palo import languages

UNKNOWN = "not recorded"
_MOST_SETTINGS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class PartFacts:
    """A pretrained part of the model.

    Attributes:
        role: Such as language model.
        name: What it is known by.
        fingerprint: Names its weights.
        licence: Its licence; empty where that isn't recorded.
    """

    role: str
    name: str
    fingerprint: str
    licence: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFacts:
    """A source of the training data.

    Attributes:
        name: The source.
        licence: Its licence; empty where that isn't recorded.
        num_records: Records by language.
    """

    name: str
    licence: str
    num_records: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreFacts:
    """A score with its 95 % interval.

    Attributes:
        value: Share from 0 to 1.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CardData:
    """What a card says.

    Attributes:
        title: Name of the model.
        library: Name of the library that loads it, as model hubs know it; empty for none.
        lineage_id: Id of the model's lineage; empty where that isn't recorded.
        parts: Its pretrained parts.
        has_licences: Whether texts of licences are beside the card.
        sources: Sources of its training data; empty where they aren't recorded.
        corpus: Fingerprint of its corpus.
        code: Version of the code that trained it.
        settings: Settings of its training by dotted name.
        scores: Accuracy by language.
        scores_blind: Accuracy without the image, by language.
        num_questions: Questions behind the scores.
        export: How it was written, by name.
        verification: Figures of its verification by name; empty if it wasn't verified.
        notes: Further remarks on the export.
        usage: Sections on how to load it: title, language of the code, code.
    """

    title: str
    library: str
    lineage_id: str
    parts: Sequence[PartFacts]
    has_licences: bool = False
    sources: Sequence[SourceFacts] = ()
    corpus: str = ""
    code: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    scores: Mapping[str, ScoreFacts] = field(default_factory=dict)
    scores_blind: Mapping[str, ScoreFacts] = field(default_factory=dict)
    num_questions: int = 0
    export: Mapping[str, object] = field(default_factory=dict)
    verification: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    usage: Sequence[tuple[str, str, str]] = ()


def card_text(data: CardData) -> str:
    """Returns the Markdown of a card.

    Args:
        data: What it says.
    """
    sections = [
        _front_matter(data),
        f"# {_inline(data.title)}\n\nA vision-language model that talks about images in "
        f"{len(languages.codes())} languages, written by the PALO platform.\n\n"
        f"Lineage: {_code(data.lineage_id)}",
        _languages(data),
        _parts(data),
        _data(data),
        _recipe(data),
        _export(data),
        _usage(data),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(data: CardData) -> str:
    lines = ["---", "pipeline_tag: image-text-to-text"]
    if data.library:
        lines.append(f"library_name: {data.library}")
    lines += ["language:", *(f"- {code}" for code in languages.codes()), "---"]
    return "\n".join(lines)


def _languages(data: CardData) -> str:
    """Low-resource languages come first: they are what the model is for."""
    ordered = sorted(languages.every(), key=lambda language: language.resource != "low")
    rows = [
        (
            language.name,
            f"{language.native_name} ({language.code})",
            f"{language.resource}-resource",
            f"{sum(one.num_records.get(language.code, 0) for one in data.sources):,}"
            if data.sources
            else UNKNOWN,
            _score(data.scores.get(language.code)),
            _score(data.scores_blind.get(language.code)),
        )
        for language in ordered
    ]
    head = ("language", "", "class", "training records", "accuracy", "accuracy without the image")
    about = (
        f"Accuracy on {data.num_questions:,} held-out questions, with 95 % intervals."
        if data.scores
        else f"Scores: {UNKNOWN}."
    )
    return f"## Languages\n\n{_table(head, rows)}\n\n{about}"


def _parts(data: CardData) -> str:
    rows = [
        (part.role, part.name, _code(part.fingerprint), part.licence or UNKNOWN)
        for part in data.parts
    ]
    text = _table(("part", "name", "fingerprint", "licence"), rows)
    kept = " Texts that came with the parts are in `licences/`." if data.has_licences else ""
    about = f"The licences of all parts and of the data apply together.{kept}"
    return f"## Made of\n\n{text}\n\n{about}"


def _data(data: CardData) -> str:
    if not data.sources:
        return f"## Data\n\nRecords by language and licence: {UNKNOWN}."
    codes = [code for code in languages.codes() if any(code in s.num_records for s in data.sources)]
    rows = [
        (
            source.name,
            source.licence or UNKNOWN,
            *(f"{source.num_records.get(code, 0):,}" for code in codes),
        )
        for source in data.sources
    ]
    head = ("source", "licence", *codes)
    return f"## Data\n\n{_table(head, rows)}\n\nCorpus: {_code(data.corpus)}"


def _recipe(data: CardData) -> str:
    lines = [f"- {name}: {_value(value)}" for name, value in data.settings.items()]
    if len(lines) > _MOST_SETTINGS:
        lines = [*lines[:_MOST_SETTINGS], f"- and {len(lines) - _MOST_SETTINGS} more"]
    settings = "\n".join(lines) or f"Settings: {UNKNOWN}."
    return f"## Training\n\nCode: {_code(data.code)}\n\n{settings}"


def _export(data: CardData) -> str:
    lines = [f"- {name}: {_value(value)}" for name, value in data.export.items()]
    figures = [f"- {name}: {_value(value)}" for name, value in data.verification.items()]
    verified = "\n".join(figures) or "It was not compared with the model that it was made of."
    notes = "".join(f"\n\n{note}" for note in data.notes)
    return "## Export\n\n" + "\n".join(lines) + f"\n\n{verified}{notes}"


def _usage(data: CardData) -> str:
    sections = [
        f"### {title}\n\n```{kind}\n{code.strip()}\n```" for title, kind, code in data.usage
    ]
    return "\n\n".join(["## How to load it", *sections])


def _score(score: ScoreFacts | None) -> str:
    if score is None:
        return UNKNOWN
    value = f"{score.value:.1%}"
    if score.low is None or score.high is None:
        return value
    return f"{value} ({score.low:.1%} to {score.high:.1%})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_row(one) for one in (head, ["---"] * len(head), *rows))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell if cell.startswith('`') else _inline(cell) for cell in cells)} |"


def _code(text: str) -> str:
    return f"`{_inline(text)}`" if text else UNKNOWN


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return _inline(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _inline(text: str) -> str:
    """Returns foreign text without what ends a table's cell or begins markup."""
    plain = "".join(character for character in text if character.isprintable())
    return plain.translate({ord(sign): f"\\{sign}" for sign in "|<`["})[:200]


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yields the values of nested settings by dotted name.

    Args:
        values: JSON values.
        prefix: What each name begins with.
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
