"""Perturbations by other ways of a text's life: templates, tables, transports, other languages."""

import base64
import quopri
from random import Random
from urllib.parse import quote

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

# Sentences in languages of the same script that the platform doesn't know.
_UNLISTED = {
    "Latn": (
        "Auf dem Tisch neben dem Fenster stehen zwei große Tassen mit heißem Kaffee.",
        "Op de foto staan twee mannen met een hond naast een oude rode fiets.",
        "Na fotografii są dwaj mężczyźni z psem obok starego czerwonego roweru.",
    ),
    "Cyrl": (
        "На світлині двоє чоловіків із собакою стоять біля старого червоного велосипеда.",
        "На слици су двојица мушкараца са псом поред старог црвеног бицикла.",
    ),
    "Arab": (
        "در این عکس دو مرد با یک سگ کنار دوچرخه‌ای قدیمی و قرمز ایستاده‌اند.",
        "دوو پیاو لەگەڵ سەگێک لە تەنیشت پاسکیلێکی سووری کۆن وەستاون.",
    ),
    "Deva": ("या छायाचित्रात दोन माणसे एका कुत्र्यासह जुन्या लाल सायकलीजवळ उभी आहेत.",),
}
_NATIVE_ROLES = {
    "Hans": "AI助手：",
    "Jpan": "回答者：",
    "Arab": "AI: ",
    "Deva": "AI सहायक: ",
    "Beng": "AI সহকারী: ",
    "Cyrl": "Ответ ИИ: ",
    "Latn": "Chatbot: ",
}


def _made(sample: PerturbationSample, draw: Random, *templates: str) -> tuple[str, ...]:
    """Puts a turn into one of some templates."""
    number = draw.randrange(len(sample.texts))
    made = draw.choice(templates).replace("TEXT", sample.texts[number])
    return sample.replaced(number, made)


def template_header(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a header or an end of a chat template.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    header = "<|start_header_id|>assistant<|end_header_id|>\n\nTEXT"
    return _made(sample, draw, header, "TEXT<turn|>", "[TOOL_CALLS]TEXT", "TEXT<|END_RESPONSE|>")


def line_of_marks(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds a line, or a quotation's mark, as Markdown writes them.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _made(sample, draw, "> TEXT", "TEXT\n---", "TEXT =====", "***\nTEXT", "TEXT <!-- ok -->")


def alternatives(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Gives a turn in two versions.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _made(sample, draw, "1. TEXT\n2. TEXT", "TEXT / TEXT", "TEXT (TEXT)", "TEXT | TEXT")


def row_of_table(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a turn as a table's cell, or as the value of a key.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _made(sample, draw, '"TEXT","TEXT"', "translation: TEXT", "| TEXT |", "text = TEXT")


def source_before(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Begins a turn with words of the source.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    words = sample.request.source.turns[number].text.split()
    small = sum(word.islower() for word in words[:6])
    if len(words) < 8 or small < 3:
        return None
    return sample.replaced(number, f"{' '.join(words[:6])} {sample.texts[number]}")


def native_role(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Begins a turn with a role's name in the language.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    role = _NATIVE_ROLES[languages.get(sample.request.language).script]
    return _made(sample, draw, f"{role}TEXT")


def word_thrice(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a word three times.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    words = sample.texts[number].split()
    if len(words) < 4:
        return None
    place = draw.randrange(1, len(words) - 1)
    return sample.replaced(
        number, " ".join([*words[:place], *[words[place]] * 3, *words[place + 1 :]])
    )


def omission_mark(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out the second half of a turn, with a mark for it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    mark = draw.choice(("[...]", "…", "...", "(…)"))
    return sample.replaced(number, f"{text[: len(text) // 2].rstrip()} {mark}")


def boxes(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces letters by the boxes of a font without them.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.randrange(max(1, len(text) - 4))
    return sample.replaced(number, text[:place] + draw.choice("□■▯") * 3 + text[place + 3 :])


def in_transport(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a turn as an address, a mail or a JSON string without Unicode carries it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    raw = sample.texts[number].encode()
    if raw.isascii():
        return None
    made = draw.choice(
        (
            quote(raw),
            base64.b64encode(raw).decode(),
            quopri.encodestring(raw).decode(),
            raw.decode().encode("ascii", "backslashreplace").decode(),
            raw.decode().encode("ascii", "xmlcharrefreplace").decode().replace("&", "&amp;amp;"),
        )
    )
    return sample.replaced(number, made)


def unlisted_language(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a turn by a sentence in a language that the platform doesn't know.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    sentences = _UNLISTED.get(languages.get(sample.request.language).script)
    if sentences is None:
        return None
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, draw.choice(sentences))


KINDS = (
    template_header,
    line_of_marks,
    alternatives,
    row_of_table,
    source_before,
    native_role,
    word_thrice,
    omission_mark,
    boxes,
    in_transport,
    unlisted_language,
)
