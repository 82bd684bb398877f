"""Perturbations by repetition: loops of letters, words and marks, and swapped turns."""

import re
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE = re.compile(r"(?<=[.!?。！？۔؟।])\s*(?=\S)")
_SPACELESS = ("Hans", "Hant", "Jpan")


def letter_loop(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Repeats a letter many times.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.choice([place for place, letter in enumerate(text) if letter.isalpha()])
    times = draw.randrange(5, 40)
    return sample.replaced(number, text[:place] + text[place] * times + text[place + 1 :])


def syllable_loop(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Repeats two to four letters many times.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    words = [match.span() for match in _WORD.finditer(text) if len(match[0]) >= 4]
    if not words:
        return None
    start, _ = draw.choice(words)
    end = start + draw.randrange(2, 5)
    return sample.replaced(
        number, text[:end] + text[start:end] * draw.randrange(4, 20) + text[end:]
    )


def word_loop(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Repeats the last two words, or some characters, many times.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    if _is_spaceless(sample):
        return sample.replaced(number, text + text[-4:-1] * draw.randrange(4, 12))
    words = text.rstrip(".!?。۔।؟ ").split()
    return sample.replaced(number, " ".join([*words, *words[-2:] * draw.randrange(4, 12)]) + ".")


def mark_loop(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Repeats a mark many times.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    mark = draw.choice(("!", "?", ".", "-", "_", "…", "，", "،"))
    return sample.replaced(number, sample.texts[number] + mark * draw.randrange(6, 30))


def question_for_answer(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Gives the question in the place of the answer.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    text = sample.texts[0]
    return (text, draw.choice((text, text.rstrip(".?؟？!"), text)), *sample.texts[2:])


def question_before_answer(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Repeats the question before the answer.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    joint = draw.choice((" ", "\n", ""))
    return (sample.texts[0], f"{sample.texts[0]}{joint}{sample.texts[1]}", *sample.texts[2:])


def swapped_turns(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Swaps question and answer.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    asks = [turn.text.endswith("?") for turn in sample.request.source.turns[:2]]
    return (*sample.texts[1::-1], *sample.texts[2:]) if asks[0] != asks[1] else None


def doubled_turn(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Gives a turn twice.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, draw.choice((" ", "\n")).join([sample.texts[number]] * 2))


def doubled_sentence(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Gives one sentence of several twice.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    sentences = [one for one in _SENTENCE.split(sample.texts[-1]) if one]
    if len(sentences) < 2:
        return None
    place = draw.randrange(len(sentences))
    joint = "" if _is_spaceless(sample) else " "
    made = [*sentences[:place], sentences[place], *sentences[place:]]
    return sample.replaced(len(sample.texts) - 1, joint.join(made))


def _is_spaceless(sample: PerturbationSample) -> bool:
    return languages.get(sample.request.language).script in _SPACELESS


KINDS = (
    letter_loop,
    syllable_loop,
    word_loop,
    mark_loop,
    question_for_answer,
    question_before_answer,
    swapped_turns,
    doubled_turn,
    doubled_sentence,
)
