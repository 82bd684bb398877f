"""Perturbations by encodings: what a wrong code page, an escape or a tokenizer leaves."""

from collections.abc import Sequence
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_ENTITIES = ("&rsquo;", "&hellip;", "&eacute;", "&mdash;", "&zwnj;", "&amp;amp;")
_CODECS = ("latin-1", "cp1252")


def replacement_character(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a letter by U+FFFD.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _letter_replaced(sample, draw, "\ufffd")


def question_mark_within(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a letter within a word by a question mark, as a lossy encoding does.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _letter_replaced(sample, draw, "?")


def _letter_replaced(sample: PerturbationSample, draw: Random, other: str) -> tuple[str, ...]:
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    letters = [place for place, letter in enumerate(text) if letter.isalpha()]
    inner = [place for place in letters if place and text[place - 1 : place + 2].isalpha()]
    foreign = [place for place in inner if not text[place].isascii()]
    place = draw.choice(foreign or inner or letters)
    return sample.replaced(number, text[:place] + other + text[place + 1 :])


def question_marks(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces every letter that ASCII lacks by a question mark.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    if languages.get(sample.request.language).script == "Latn":
        return None
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    return sample.replaced(number, text.encode("ascii", "replace").decode("ascii"))


def mojibake(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Reads a turn's UTF-8 as Latin-1 or Windows' Western code page.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _misread(sample, draw, _CODECS)


def mojibake_of_the_script(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Reads a turn's UTF-8 as the code page that was usual for its script.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    pages = {"Cyrl": "cp1251", "Arab": "cp1256", "Hans": "gbk", "Jpan": "cp932"}
    codec = pages.get(languages.get(sample.request.language).script)
    return _misread(sample, draw, [codec]) if codec else None


def _misread(
    sample: PerturbationSample, draw: Random, codecs: Sequence[str]
) -> tuple[str, ...] | None:
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    if text.isascii():
        return None
    return sample.replaced(number, text.encode().decode(draw.choice(codecs), "replace"))


def bidi_override(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Turns the direction of a turn's words around.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    mark, end = draw.choice("\u202d\u202e"), draw.choice(("", "\u202c"))
    return sample.replaced(number, f"{mark}{sample.texts[number]}{end}")


def html_entity(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a character as HTML writes it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.randrange(len(text))
    return sample.replaced(number, f"{text[:place]}{draw.choice(_ENTITIES)}{text[place:]}")


def literal_escape(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a letter, or the end of a line, as an escape sequence.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.randrange(len(text))
    made = f"{text[:place]}\\u{ord(text[place]):04x}{text[place + 1 :]}"
    return sample.replaced(number, draw.choice((made, f"{text}\\n", f"\\n{text}")))


def word_pieces(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves the marks of a tokenizer's word pieces.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.randrange(len(text))
    mark = draw.choice(("▁", "Ġ", " ##", "@@ ", "<0xE2>"))
    return sample.replaced(number, f"{text[:place]}{mark}{text[place:]}")


KINDS = (
    replacement_character,
    question_mark_within,
    question_marks,
    mojibake,
    mojibake_of_the_script,
    bidi_override,
    html_entity,
    literal_escape,
    word_pieces,
)
