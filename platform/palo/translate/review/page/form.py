"""The review form as HTML, and the answer that a browser sends back."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from palo import languages
from palo.errors import PaloError
from palo.html.page import Templates
from palo.images.image_folder import ImageFolder, thumbnail_uri
from palo.translate.request import ProtectedSpan
from palo.translate.review.decision import TAGS, Outcome, ReviewDecision, spans_of
from palo.translate.review.item import Item
from palo.webui.texts import PageTexts, isolated, page_texts

TEMPLATES = Templates(Path(__file__).parent / "templates")
"""The templates of the page."""

_LONGEST_SIDE = 480
_LONGEST_HEADLINE = 80
_TURN_NAMES = {"user": "question_turn", "assistant": "answer_turn"}
_MOST_CHARACTERS = 4_000_000


def item_form(
    item: Item,
    texts: PageTexts,
    earlier: ReviewDecision | None,
    images: Path | None = None,
    place: tuple[int, int] | None = None,
) -> Markup:
    """Returns the form in which a translation is reviewed.

    Args:
        item: The translation.
        texts: The page's texts.
        earlier: The reviewer's earlier decision, if there is one.
        images: Folder that the images' paths start from.
        place: The translation's number among those of its language, and how many these are.
    """
    translated = item.translated
    turn_texts = earlier.texts if earlier is not None else translated.texts
    return TEMPLATES.render(
        "form.html",
        item=item,
        texts=texts,
        headline=_headline(translated.source.turns[0].text),
        place=_place(place, texts),
        earlier=earlier,
        fresh=secrets.token_hex(8),
        translated_by=texts["translated_by"].format(name=isolated(translated.translator)),
        doubts=list(_doubts(item, texts)),
        image=_image_uri(translated.source.image, images),
        image_name=page_texts(texts.language.code)["image"],
        has_spans=any(spans_of(translated)),
        turns=[_turn(item, number, text, texts) for number, text in enumerate(turn_texts)],
        language=languages.get(item.language),
        tags=TAGS,
    )


def decisions_of(item: Item, texts: PageTexts, *, hide: str | None = None) -> str:
    """Returns the decisions of reviewers about a translation; "" without any.

    Args:
        item: The translation.
        texts: The page's texts.
        hide: Shows only the decision of this reviewer.
    """
    shown = [one for one in item.latest.values() if hide is None or one.reviewer == hide]
    if not shown:
        return ""
    return TEMPLATES.render(
        "decisions.html",
        texts=texts,
        fresh=secrets.token_hex(8),
        language=languages.get(item.language),
        decisions=[_decision(item, one, texts) for one in shown],
    )


def read_answer(text: object, outcome: Outcome) -> ReviewDecision | None:
    """Returns the decision that a browser sent; None if it is none. Nothing in it is trusted.

    Args:
        text: JSON with the fields key, edition, texts, tags and note.
        outcome: The button that was pressed.
    """
    if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
        return None
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if not isinstance(values, Mapping):
        return None
    lists = [values.get("texts"), values.get("tags")]
    plain = [values.get("key"), values.get("edition"), values.get("note")]
    if not all(isinstance(one, list) for one in lists):
        return None
    if not all(isinstance(one, str) for one in [*plain, *values["texts"], *values["tags"]]):
        return None
    return ReviewDecision(
        key=values["key"],
        edition=values["edition"],
        reviewer="",
        outcome=outcome,
        texts=tuple(values["texts"]),
        tags=tuple(dict.fromkeys(values["tags"])),
        note=values["note"].strip(),
    )


def _headline(text: str) -> str:
    """Returns the beginning of a conversation, as people would name it."""
    first = " ".join(text.split())
    return first if len(first) <= _LONGEST_HEADLINE else f"{first[: _LONGEST_HEADLINE - 1]}…"


def _place(place: tuple[int, int] | None, texts: PageTexts) -> str:
    if place is None:
        return ""
    number, total = (isolated(f"{count:,}") for count in place)
    return texts["place"].format(number=number, total=total)


def _turn(item: Item, number: int, text: str, texts: PageTexts) -> dict[str, object]:
    spans = spans_of(item.translated)[number]
    return {
        "name": _turn_name(item, number, texts),
        "source": list(_with_spans(item.translated.source.turns[number].text, spans)),
        "text": text,
        "before": item.translated.texts[number],
        "rows": min(12, 2 + len(text) // 70),
        "spans": json.dumps([span.target for span in spans if span.placeholder != span.text]),
        "locked": list(dict.fromkeys(span.target for span in spans)),
    }


def _with_spans(text: str, spans: Sequence[ProtectedSpan]) -> Iterator[tuple[bool, str]]:
    """Yields a text in pieces, each with whether it is a protected span."""
    for span in spans:
        before, found, after = text.partition(span.text)
        if found:
            yield False, before
            yield True, found
            text = after
    yield False, text


def _turn_name(item: Item, number: int, texts: PageTexts) -> str:
    role = item.translated.source.turns[number].role
    return texts[_TURN_NAMES[role]].format(number=number // 2 + 1)


def _doubts(item: Item, texts: PageTexts) -> Iterator[dict[str, str]]:
    """Yields the findings of the checks: titles in the page's language, reasons in English."""
    found = dict.fromkeys(
        (one.check, one.turn, one.reason) for one in item.translated.checks if one.reason
    )
    for check, turn, reason in found:
        yield {
            "turn": "" if turn is None else _turn_name(item, turn, texts),
            "title": texts.texts.get(f"check_{check}", check),
            "reason": reason,
        }


def _image_uri(name: str | None, images: Path | None) -> str | None:
    if name is None:
        return None
    try:
        return thumbnail_uri(ImageFolder(images or Path()).read(name), _LONGEST_SIDE)
    except PaloError:  # said on the page instead
        return None


def _decision(item: Item, decision: ReviewDecision, texts: PageTexts) -> dict[str, object]:
    title = texts["accepted_by" if decision.outcome == "accept" else "rejected_by"]
    pairs = zip(item.translated.texts, decision.texts, strict=True)
    return {
        "outcome": decision.outcome,
        "title": title.format(name=isolated(decision.reviewer)),
        "tags": " · ".join(texts[f"tag_{tag}"] for tag in decision.tags),
        "note": decision.note,
        "changes": [(before, after) for before, after in pairs if before != after],
    }
