"""Perturbations by residue: what a model or its template leaves in a translation."""

from collections.abc import Sequence
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_MODEL_MARKS = (
    "</s>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<end_of_turn>",
    "[/INST]",
    "<｜end▁of▁sentence｜>",
    "<pad>",
    "<unk>",
    "###",
)
_ROLES = ("Assistant", "ASSISTANT", "USER", "gpt", "Human", "system", "Bot", "A", "Q", "Answer")
_EMOJI = ("😊", "👍", "✅", "🙂", "🎉", "➡️")


def _behind(sample: PerturbationSample, draw: Random, pieces: Sequence[str]) -> tuple[str, ...]:
    """Puts one of some pieces behind a turn."""
    number = draw.randrange(len(sample.texts))
    joint = draw.choice(("", " ", "\n"))
    return sample.replaced(number, f"{sample.texts[number]}{joint}{draw.choice(pieces)}")


def _around(
    sample: PerturbationSample, draw: Random, pieces: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    number = draw.randrange(len(sample.texts))
    first, last = draw.choice(pieces)
    return sample.replaced(number, f"{first}{sample.texts[number]}{last}")


def image_tag(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds the placeholder of an image.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _around(sample, draw, [("<image>\n", ""), ("", " <image>"), ("", "\n<image>")])


def model_mark(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves the end mark of a model or of its template.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _behind(sample, draw, _MODEL_MARKS)


def model_mark_before(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves the mark that a model's template begins a turn with.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    marks = (
        "<s>",
        "<|im_start|>assistant\n",
        "[INST] ",
        "<|assistant|>",
        "<start_of_turn>model\n",
        "<bos>",
    )
    return _around(sample, draw, [(mark, "") for mark in marks])


def reasoning(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a model's reasoning, or a mark of it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    pieces = [
        ("<think>The user wants a translation.</think>\n", ""),
        ("<think>\n\n</think>\n\n", ""),
        ("</think>", ""),
        ("<reasoning>", "</reasoning>"),
    ]
    return _around(sample, draw, pieces)


def role_name(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Begins a turn with the name of a role.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _around(sample, draw, [(f"{role}: ", "") for role in _ROLES])


def next_turn(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Goes on with a turn that the source lacks.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    role = draw.choice(("USER", "Human", "Assistant", "gpt"))
    return _behind(sample, draw, [f"{role}: {sample.next_texts[0]}"])


def bracketed(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts a turn into brackets or uncommon quotation marks.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    if any(mark in sample.request.source.turns[number].text + text for mark in "()[]{}'\"‘’“”«»"):
        return None
    first, last = draw.choice(("()", "[]", "{}", "‘’", "''", "„“", "『』", "【】", "‹›", "``"))
    return sample.replaced(number, f"{first}{text}{last}")


def fence(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts a turn into a code fence, or leaves one of its lines.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _around(sample, draw, [("```text\n", "\n```"), ("```\n", ""), ("", "\n```")])


def emphasis(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Makes a word bold, or the turn a heading.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    middle = len(text) // 2
    mark = draw.choice(("**", "__", "~~"))
    made = f"{text[: middle // 2]}{mark}{text[middle // 2 : middle]}{mark}{text[middle:]}"
    return sample.replaced(number, draw.choice((f"## {text}", made)))


def html_tag(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds tags of HTML or XML.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    pieces = [("<p>", "</p>"), ("", "<br>"), ("<b>", "</b>"), ("<translation>", "</translation>")]
    return _around(sample, draw, pieces)


def json_left(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a piece of the JSON that the translation came in.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    pieces = [('{"translation": "', '"}'), ("", '"}]'), ('["', '"]'), ("", '",')]
    return _around(sample, draw, pieces)


def language_tag(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves the mark of the target language that some translators are asked with.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    code = sample.request.language
    script = languages.get(code).script
    marks = (f"[{code}] ", f"<{code}> ", f"__{code}__ ", f">>{code}<< ", f"{code}_{script} ")
    return _around(sample, draw, [(mark, "") for mark in marks])


def broken_mark(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds a placeholder that is broken, or in other brackets.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _behind(sample, draw, ("⟦1", "1⟧", "[1]", "【1】", "{1}", "⟨1⟩", "$1"))


def emoji(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds an emoji.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _behind(sample, draw, _EMOJI)


def added_address(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds an address that the source lacks.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _behind(sample, draw, ("https://translate.example.com", "www.example.org", "a@b.org"))


def source_beside(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Gives the source beside its translation.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text, source = sample.texts[number], sample.request.source.turns[number].text
    made = draw.choice(
        (f"{text} ({source})", f"{source} = {text}", f"{source} → {text}", f"{text} / {source}")
    )
    return sample.replaced(number, made)


def turn_label(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Begins a turn with its number.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    labels = ("Turn 1: ", "1. ", "[2] ", "(1) ", "#1 ", "Q1: ", "1) ")
    return _around(sample, draw, [(label, "") for label in labels])


KINDS = (
    image_tag,
    model_mark,
    model_mark_before,
    reasoning,
    role_name,
    next_turn,
    bracketed,
    fence,
    emphasis,
    html_tag,
    json_left,
    language_tag,
    broken_mark,
    emoji,
    added_address,
    source_beside,
    turn_label,
)
