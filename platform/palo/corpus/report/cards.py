"""One row of a corpus as a card in a page."""

from collections.abc import Sequence

from palo import languages
from palo.corpus.report.items import ShownSample, turns_of
from palo.corpus.report.shards import Dropped
from palo.data.records import Record
from palo.html.language_label import language_label
from palo.html.markup import Markup, element, joined
from palo.terminal import visible

_MOST_CHARACTERS = 4000


def words(text: str, language: str) -> Markup:
    """Returns a text in its language's glyphs, each paragraph in its own direction."""
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]} … ({len(text):,} characters)"
    lang = language if languages.known(language) else None
    return element("div", visible(text), class_="words", lang=lang, dir="auto")


def sample_card(item: ShownSample, image: str | None) -> Markup:
    """Returns a sample as the model sees it: the image, and which tokens are trained.

    Args:
        item: The sample.
        image: Its preprocessed image as a URI; None where it has none, or none can be shown.
    """
    sample = item.sample
    num_trained = sum(part.num_tokens for part in item.parts if part.is_trained)
    parts = [
        element(
            "div",
            element(
                "span",
                f"{'trained' if part.is_trained else 'read'} · {_tokens(part.num_tokens)}",
                class_="tag",
            ),
            words(part.text.strip("\n"), sample.language),
            class_="part trained" if part.is_trained else "part",
        )
        for part in item.parts
    ]
    facts = f"{_tokens(len(sample.input_ids))}, {num_trained:,} trained"
    return element(
        "article",
        _image(item, image),
        element("div", *parts, class_="parts"),
        _footer(sample.sample_id, facts),
        class_="card",
    )


def record_card(record: Record) -> Markup:
    """Returns a record's turns."""
    turns = [_turn(turn.role, words(turn.text, record.language)) for turn in record.turns]
    facts = record.image or "text only"
    return element(
        "article",
        element("div", *turns, class_="parts"),
        _footer(record.record_id, facts),
        class_="card",
    )


def dropped_card(row: Dropped, why: str | None = None) -> Markup:
    """Returns a row that was left out, and why.

    Args:
        row: The row.
        why: What to say instead of its reason.
    """
    turns = [(role, words(text, row.language)) for role, text in turns_of(row.parsed() or {})]
    return card_of_turns(why or told(row), turns, row)


def card_of_turns(why: str, turns: Sequence[tuple[str, Markup]], row: Dropped) -> Markup:
    """Returns a card for a row that was left out.

    Args:
        why: Why it was.
        turns: Who says what; none shows the row as it was read.
        row: The row.
    """
    body = [_turn(role, text) for role, text in turns] or [
        element("div", words(row.text, row.language), class_="part raw")
    ]
    return element(
        "article",
        element("p", element("strong", why), class_="why"),
        element("div", *body, class_="parts"),
        _footer(row.name, joined(language_label(row.language), f", {row.step}")),
        class_="card",
    )


def told(row: Dropped) -> str:
    """Returns why a row was left out, with what was seen."""
    return f"{row.reason}: {row.detail}" if row.detail else row.reason


def _turn(role: str, text: Markup) -> Markup:
    kind = "part trained" if role == "assistant" else "part"
    return element("div", element("span", role, class_="tag"), text, class_=kind)


def _image(item: ShownSample, image: str | None) -> Markup:
    if image is not None:
        return element("img", src=image, alt="The image of this sample.", loading="lazy")
    if item.sample.image_id is None:
        return element("p", "text only", class_="no-image")
    return element("p", f"image not found: {item.image or 'no path'}", class_="no-image")


def _footer(name: str, facts: str) -> Markup:
    return element("footer", element("code", name), " ", element("span", facts))


def _tokens(count: int) -> str:
    return f"{count:,} token{'' if count == 1 else 's'}"
