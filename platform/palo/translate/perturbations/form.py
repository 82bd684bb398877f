"""Perturbations of the form: missing and repeated text, turns, lines, punctuation."""

import re
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_SENTENCE = re.compile(r"(?<=[.!?。！？۔؟।])\s*(?=\S)")
_QUESTIONS = "?？؟"
_SPACELESS = ("Hans", "Hant", "Jpan")
_LATIN_MARKS = str.maketrans("،؛؟۔।，。？！；：、", ",;?..,.?!;:,")


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
    text = sample.texts[number].translate(_LATIN_MARKS)
    return sample.replaced(number, text) if text != sample.texts[number] else None


def _is_spaceless(sample: PerturbationSample) -> bool:
    return languages.get(sample.request.language).script in _SPACELESS
