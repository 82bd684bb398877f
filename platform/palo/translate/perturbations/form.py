"""Perturbations of the form: missing and repeated text, turns, lines, punctuation."""

import re
import unicodedata
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_SENTENCE = re.compile(r"(?<=[.!?。！？۔؟।])\s*(?=\S)")
_WORD = re.compile(r"[^\W\d_]+")
_MARKS = re.compile(r"[^\w\s]")
_QUESTIONS = "?？؟"
_SPACELESS = ("Hans", "Hant", "Jpan")
LATIN_MARKS = str.maketrans("،؛؟۔।，。？！；：、", ",;?..,.?!;:,")
"""Marks of other scripts, and the Latin ones that stand in their place."""


def broken_off(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Cuts a turn off after 25 to 70 % of it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    end = round(len(text) * draw.uniform(0.25, 0.7))
    if not _is_spaceless(sample):
        end = text.rfind(" ", 0, end)
    return sample.replaced(number, text[:end]) if end > 0 else None


def missing_sentence(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out a sentence, of two.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    sentences = [one for one in _SENTENCE.split(sample.texts[-1]) if one]
    if len(sentences) != 2 or min(map(len, sentences)) * 3 < len(sample.texts[-1]):
        return None
    return sample.replaced(len(sample.texts) - 1, draw.choice(sentences))


def added_sentence(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds a sentence of another conversation.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    added = sample.next_texts[0]
    if len(added) < 0.8 * len(sample.texts[number]):
        return None
    return sample.replaced(number, f"{sample.texts[number]} {added}")


def repeated_clause(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Repeats the end of a turn three times.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    if _is_spaceless(sample):
        return sample.replaced(number, text + text[-draw.randrange(10, 18) :] * 3)
    words = text.split()
    clause = words[-draw.randrange(4, 8) :]
    return sample.replaced(number, " ".join([*words, *clause * 3]))


def missing_turn(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out a turn.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    return (*sample.texts[:number], *sample.texts[number + 1 :])


def merged_turns(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Joins all turns.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return (draw.choice((" ", "\n")).join(sample.texts),)


def empty_turn(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Empties a turn.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return sample.replaced(draw.randrange(len(sample.texts)), draw.choice(("", " ", "…", "\n")))


def split_lines(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Breaks a turn into lines, or makes a list of it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    if draw.random() < 0.5:
        return sample.replaced(number, f"- {text}")
    middle = len(text) // 2
    return sample.replaced(number, f"{text[:middle]}\n\n{text[middle:]}")


def open_bracket(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Opens a bracket without closing it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.randrange(len(text))
    return sample.replaced(number, f"{text[:place]}({text[place:]}")


def lost_question(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Makes a statement of a question.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    stop = languages.get(sample.request.language).full_stop
    numbers = [
        number
        for number, turn in enumerate(sample.request.source.turns)
        if turn.text.endswith("?") and sample.texts[number][-1:] in _QUESTIONS
    ]
    if not numbers:
        return None
    number = draw.choice(numbers)
    text = sample.texts[number]
    return sample.replaced(number, "".join(stop if c in _QUESTIONS else c for c in text))


def latin_marks(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces the language's punctuation marks by Latin ones.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number].translate(LATIN_MARKS)
    return sample.replaced(number, text) if text != sample.texts[number] else None


def no_marks(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out every mark of a turn with several.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    marks = [m for m in _MARKS.findall(text) if not unicodedata.category(m).startswith("M")]
    if len(marks) < 3 or sample.request.turns[number].spans:
        return None
    return sample.replaced(number, "".join(c for c in text if c not in marks))


def misplaced_mark(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts an opening mark behind its words, or a closing one before them.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    if "¿" in text:
        return sample.replaced(
            number, text.replace("¿", "", 1).replace("?", draw.choice(("¿?", "?¿")), 1)
        )
    words = [match.span() for match in _WORD.finditer(text)]
    start, end = draw.choice(words)
    first, last = languages.get(sample.request.language).quotes
    if first == last or any(mark.strip() in text for mark in (first, last)):
        return None
    return sample.replaced(number, f"{text[:start]}{last}{text[start:end]}{first}{text[end:]}")


def open_quote(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Opens a quotation that doesn't end, or ends one that hasn't begun.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    if any(mark in sample.request.source.turns[number].text + text for mark in "\"'“”«»‘’「」"):
        return None
    first, last = languages.get(sample.request.language).quotes
    start, _ = draw.choice([match.span() for match in _WORD.finditer(text)])
    mark = draw.choice((first, last, '"'))
    return sample.replaced(number, f"{text[:start]}{mark}{text[start:]}")


def cut_in_word(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Breaks a turn off within its last quarter, in the middle of a word.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    words = [
        m
        for m in _WORD.finditer(text, len(text) * 2 // 3)
        if len(m[0]) > 4 and m.end() < len(text) - 8
    ]
    if not words or text[-1:].isalnum():
        return None
    return sample.replaced(number, text[: draw.choice(words).start() + 2])


def lost_beginning(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out the first half of a turn.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = text.find(" ", len(text) * 3 // 5) if not _is_spaceless(sample) else len(text) * 3 // 5
    return sample.replaced(number, text[place:].strip()) if place > 0 else None


def _is_spaceless(sample: PerturbationSample) -> bool:
    return languages.get(sample.request.language).script in _SPACELESS


KINDS = (
    broken_off,
    missing_sentence,
    added_sentence,
    repeated_clause,
    missing_turn,
    merged_turns,
    empty_turn,
    split_lines,
    open_bracket,
    lost_question,
    latin_marks,
    no_marks,
    misplaced_mark,
    open_quote,
    cut_in_word,
    lost_beginning,
)
