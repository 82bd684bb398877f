"""A translation as HTML: image, sources with their locks, fields, faults, others' decisions."""

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
from palo.translate.review.decision import TAGS, Opinion, ReviewDecision
from palo.translate.review.item import Item
from palo.translate.review.protected_spans import spans_of
from palo.webui.texts import PageTexts, isolated, page_texts

TEMPLATES = Templates(Path(__file__).parent / "templates")
"""The templates of the page."""

_LONGEST_SIDE = 480
_TURN_NAMES = {"user": "question_turn", "assistant": "answer_turn"}
_MOST_CHARACTERS = 4_000_000


def item_form(
    item: Item, words: PageTexts, said: ReviewDecision | None, images: Path | None = None
) -> Markup:
    """Returns the form in which a translation is reviewed.

    Args:
        item: The translation.
        words: The page's texts.
        said: The earlier decision of this reviewer, if there is one.
        images: Folder that the images' paths start from.
    """
    translated = item.translated
    texts = said.texts if said is not None else translated.texts
    return TEMPLATES.render(
        "form.html",
        item=item,
        words=words,
        said=said,
        fresh=secrets.token_hex(8),
        translated_by=words["translated_by"].format(name=isolated(translated.translator)),
        doubts=list(_doubts(item, words)),
        image=_image_uri(translated.source.image, images),
        image_name=page_texts(words.language.code)["image"],
        has_locks=any(spans_of(translated)),
        turns=[_turn(item, number, text, words) for number, text in enumerate(texts)],
        language=languages.get(item.language),
        tags=TAGS,
    )


def decisions_of(item: Item, words: PageTexts, *, hide: str | None = None) -> str:
    """Returns the decisions of reviewers about a translation; "" without any.

    Args:
        item: The translation.
        words: The page's texts.
        hide: Shows only the decision of this reviewer.
    """
    said = [one for one in item.latest.values() if hide is None or one.reviewer == hide]
    if not said:
        return ""
    return TEMPLATES.render(
        "decisions.html",
        words=words,
        fresh=secrets.token_hex(8),
        language=languages.get(item.language),
        decisions=[_decision(item, one, words) for one in said],
    )


def read_answer(text: object, opinion: Opinion) -> ReviewDecision | None:
    """Returns the decision that a browser sent; None if it is none. Nothing in it is trusted.

    Args:
        text: JSON with the fields key, edition, texts, tags and note.
        opinion: Which button was pressed.
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
        opinion=opinion,
        texts=tuple(values["texts"]),
        tags=tuple(dict.fromkeys(values["tags"])),
        note=values["note"].strip(),
    )


def _turn(item: Item, number: int, text: str, words: PageTexts) -> dict[str, object]:
    locks = spans_of(item.translated)[number]
    return {
        "name": _turn_name(item, number, words),
        "source": list(_with_locks(item.translated.source.turns[number].text, locks)),
        "text": text,
        "before": item.translated.texts[number],
        "rows": min(12, 2 + len(text) // 70),
        "locks": json.dumps([lock.target for lock in locks if lock.placeholder != lock.text]),
    }


def _with_locks(text: str, locks: Sequence[ProtectedSpan]) -> Iterator[tuple[bool, str]]:
    """Yields a text in pieces, each with whether it is locked."""
    for lock in locks:
        before, found, after = text.partition(lock.text)
        if found:
            yield False, before
            yield True, found
            text = after
    yield False, text


def _turn_name(item: Item, number: int, words: PageTexts) -> str:
    role = item.translated.source.turns[number].role
    return words[_TURN_NAMES[role]].format(number=number // 2 + 1)


def _doubts(item: Item, words: PageTexts) -> Iterator[dict[str, str]]:
    """Yields the findings of the gates: titles in the page's language, reasons in English."""
    found = dict.fromkeys(
        (gate.check, gate.turn, gate.reason) for gate in item.translated.checks if gate.reason
    )
    for gate, turn, reason in found:
        yield {
            "turn": "" if turn is None else _turn_name(item, turn, words),
            "title": words.texts.get(f"gate_{gate}", gate),
            "reason": reason,
        }


def _image_uri(name: str | None, images: Path | None) -> str | None:
    if name is None:
        return None
    try:
        return thumbnail_uri(ImageFolder(images or Path()).read(name), _LONGEST_SIDE)
    except PaloError:  # said on the page instead
        return None


def _decision(item: Item, decision: ReviewDecision, words: PageTexts) -> dict[str, object]:
    title = words["accepted_by" if decision.opinion == "accept" else "rejected_by"]
    pairs = zip(item.translated.texts, decision.texts, strict=True)
    return {
        "opinion": decision.opinion,
        "title": title.format(name=isolated(decision.reviewer)),
        "tags": " · ".join(words[f"tag_{tag}"] for tag in decision.tags),
        "note": decision.note,
        "changes": [(before, after) for before, after in pairs if before != after],
    }
