"""What each file of a language holds: what CLDR fills in, what is guessed, what is left open."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from palo import languages
from palo.language_files import Kind
from palo.new_language.cldr import CldrFacts
from palo.new_language.facts import (
    compare_letters,
    full_stop,
    llama_tokens,
    question_mark,
    quotation_marks,
)

Origin = Literal["cldr", "guess", "speaker"]
"""Who knows an entry: Unicode's CLDR, a rule of thumb that a speaker confirms, or a speaker."""

TITLES: Mapping[Kind, str] = {
    "language": "names, script, direction, marks, digits",
    "profile": "what the checks of translations know: units, numbers, words of translators",
    "translator": "what translators into the language are told",
    "words": "requests for translations, and yes and no",
    "scenes": "words for drawn scenes; the language is left out of them until all are there",
    "chat_page": "texts of the chat page",
    "review_page": "texts of the review page",
}
"""What each file is for."""

UNTIL_THEN: Mapping[Kind, str] = {
    "language": "Models are asked for answers in it, and for captions, in English.",
    "profile": "Checks of translations don't know how translators into it comment or refuse, and "
    "compare only numbers that are written in digits.",
    "translator": "Translators get the general prompt, which names the language.",
    "words": "Translations are asked for in English; yes and no are those of other languages.",
    "scenes": "Drawn scenes speak of other languages alone; own and translated rows are trained.",
    "chat_page": "The page shows English texts; questions and answers are in the language.",
    "review_page": "The page shows English texts; translations are in the language.",
}
"""What happens as long as a file has open entries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of a file.

    Attributes:
        table: Its table; "" at the top.
        key: Its key.
        origin: Who knows it.
        value: What is filled in; None for what a speaker writes.
        example: What stands in until then, or an example of it in English.
        note: What it is for; "" where the key or the example says it.
        optional: Whether a file is whole without it; it is shown in new files alone.
    """

    table: str = ""
    key: str
    origin: Origin = "speaker"
    value: Any = None
    example: Any = None
    note: str = ""
    optional: bool = False


def entries_of(kind: Kind, facts: CldrFacts) -> list[Entry]:
    """Returns the entries of a file, those at the top first.

    Args:
        kind: Which file.
        facts: What CLDR says of the language.
    """
    match kind:
        case "language":
            found = _facts(facts)
        case "profile":
            found = _profile(facts)
        case "translator":
            found = _translator(facts)
        case "words":
            found = _words(facts)
        case "scenes":
            found = _scenes(facts)
        case "chat_page":
            found = _page("palo.webui")
        case "review_page":
            found = _page("palo.translate.review.page")
    return sorted(found, key=lambda entry: bool(entry.table))


def _facts(facts: CldrFacts) -> Iterator[Entry]:
    for key in ("name", "native_name", "script", "direction"):
        yield Entry(key=key, origin="cldr", value=getattr(facts, key))
    yield Entry(key="digits", origin="cldr", value=facts.digits)
    if facts.other_codes:
        yield Entry(
            key="other_codes",
            origin="cldr",
            value=list(facts.other_codes),
            note="of ISO 639-2 and 639-3",
        )
    script = facts.script
    yield Entry(key="full_stop", origin="guess", value=full_stop(script), note="ends a statement")
    yield Entry(key="question_mark", origin="guess", value=question_mark(script))
    yield Entry(key="quotes", origin="guess", value=list(quotation_marks(script)))
    near = compare_letters(facts, languages.every())
    if near.own:
        yield Entry(
            key="own_letters", origin="guess", value=near.own,
            note="letters that no other language of the script has here; they identify it",
        )  # fmt: skip
    if near.usual:
        yield Entry(
            key="usual_letters", origin="guess", value=near.usual,
            note="letters of its everyday text that others use in foreign names at most",
        )  # fmt: skip
    yield Entry(
        key="llama_tokens", origin="guess", value=llama_tokens(facts),
        note="tokens of LLaMA's tokenizer, over those of the English text; for plans alone",
    )  # fmt: skip
    yield Entry(
        key="answer_wish", example=f"Answer in {facts.name}.", note="asks for an answer in it"
    )
    yield Entry(key="caption_wish", example="Describe this image.", note="asks for a description")


_SAID_BESIDE = "what a translator may say by itself, in small letters, by kind"


def _profile(facts: CldrFacts) -> Iterator[Entry]:
    # Both the European mark and the script's own may be the decimal one of texts with other marks.
    if facts.decimal == "." and facts.group == ",":
        yield Entry(
            key="decimal",
            origin="cldr",
            value=".",
            note="the decimal mark, never between thousands",
        )
    english = _toml("palo.translate.language_profiles", "en")
    for number, (kind, phrases) in enumerate(english["comments"].items()):
        note = _SAID_BESIDE if number == 0 else ""
        yield Entry(table="comments", key=kind, example=phrases[:4], note=note)
    yield Entry(
        key="roles", example=["user", "assistant", "question", "answer", "translation"],
        note="names of the roles of a conversation",
    )  # fmt: skip
    yield Entry(
        key="finals", example=["said", "done"], optional=True,
        note="how last words of sentences end where the full stop is often left out; mostly none",
    )  # fmt: skip
    for word, power in facts.magnitudes.items():
        yield Entry(table="magnitudes", key=word, origin="cldr", value=power)
    for number, name in enumerate(facts.months, start=1):
        yield Entry(table="numbers", key=name.lower(), origin="cldr", value=number)
    yield Entry(
        table="numbers", key="one", example=1, optional=True,
        note="a line for each number that texts write as a word, with the word in place of one",
    )  # fmt: skip
    for symbol, names in facts.units.items():
        yield Entry(table="units", key=symbol, origin="cldr", value=list(names))


def _translator(facts: CldrFacts) -> Iterator[Entry]:
    codes = [f"{code}_{facts.script}" for code in facts.other_codes]
    note = "the code that NLLB's models have for it; for --backend nllb alone"
    if len(codes) == 1:
        yield Entry(key="nllb", origin="guess", value=codes[0], note=note)
    else:
        yield Entry(key="nllb", example=codes[-1] if codes else "", note=note)
    yield Entry(
        key="apertium", origin="cldr", value=[*facts.other_codes, facts.code],
        note="the codes that Apertium's pairs may call it",
    )  # fmt: skip
    yield Entry(
        key="issues", note="what translators into it get wrong, a clause each",
        example=["Write names in the language's own script.", "Address the user politely."],
    )  # fmt: skip


def _words(facts: CldrFacts) -> Iterator[Entry]:
    yield Entry(key="translate", example=f"Translate into {facts.name}:")
    yield Entry(key="go_on", example="Continue this text:", note="asks to go on with a text in it")
    yield Entry(key="yes", example=["yes"], note="how an answer begins that says yes")
    yield Entry(key="no", example=["no"], note="how an answer begins that says no")


def _scenes(facts: CldrFacts) -> Iterator[Entry]:
    for name, example in _toml("palo.scenes", "words_en").items():
        if not isinstance(example, dict):
            yield Entry(key=name, example=example, optional=name == "joiner")
            continue
        for number, (key, value) in enumerate(example.items()):
            note = _SCENE_NOTES.get(name, "") if number == 0 else ""
            is_optional = name == "by_count"
            yield Entry(table=name, key=key, example=value, note=note, optional=is_optional)
    for count, form in enumerate(facts.plurals[1:], start=1):
        yield Entry(table="plurals", key=str(count), origin="cldr", value=form)


_SCENE_NOTES: Mapping[str, str] = {
    "nouns": "forms by CLDR's names of numbers, of which [plurals] has the language's own; `a` "
    "where an article changes with the noun, `class`, such as a gender, where words agree with it",
    "colours": "one word, or its forms by the class of the noun: "
    '{ any = "nyekundu", "5" = "jekundu", "5.other" = "mekundu" }',
    "numbers": "words, or forms by class like those of colours",
    "by_count": "other words whose form depends on how many there are, if any; each is a slot",
    "questions": "slots are {noun}, {nouns}, {a_noun}, {colour}, {place}, {side}, {anchor}, "
    "{anchor_colour}, {figure}, {figures}, {a_figure}, {figure_colour}, {figures_colour}, "
    "{number}, {counted}, {counted_colour}; no mark stands at the end",
}


def _page(package: str) -> Iterator[Entry]:
    for name, text in _toml(f"{package}", "texts/en").items():
        if not isinstance(text, dict):
            yield Entry(key=name, example=text)
            continue
        for key, value in text.items():
            yield Entry(table=name, key=key, example=value)


def _toml(package: str, name: str) -> dict[str, Any]:
    return tomllib.loads(files(package).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
