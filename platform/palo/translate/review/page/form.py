"""A translation as HTML: image, sources with their locks, fields, faults, others' verdicts.

Gradio changes the old elements into the new ones, so that a field would keep what somebody wrote
into it for another translation: `data-fresh` tells the script when to begin anew.
"""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from palo import languages
from palo.errors import PaloError
from palo.html.markup import Markup, element, joined
from palo.images.image_folder import ImageFolder, thumbnail_uri
from palo.translate.request import ProtectedSpan
from palo.translate.review.decision import TAGS, ReviewDecision
from palo.translate.review.item import Item
from palo.translate.review.protected_spans import spans_of
from palo.webui.texts import PageTexts, isolated, page_texts

_LONGEST_SIDE = 480
_TURN_NAMES = {"user": "question_turn", "assistant": "answer_turn"}


def item_form(
    item: Item, words: PageTexts, said: ReviewDecision | None, images: Path | None = None
) -> str:
    """Returns the form in which a translation is reviewed.

    Args:
        item: The translation.
        words: The page's texts.
        said: What this reviewer has said of it before, if anything.
        images: Folder that the images' paths start from.
    """
    translated = item.translated
    texts = said.texts if said is not None else translated.texts
    turns = [_turn(item, number, text, words) for number, text in enumerate(texts)]
    hint = [element("p", words["lock_hint"], class_="hint")] if any(spans_of(translated)) else []
    return element(
        "form",
        element("h2", item.key, tabindex=-1, id="review-title", dir="auto"),
        element(
            "p",
            f"{words[f'state_{item.state}']} · "
            f"{words['translated_by'].format(name=isolated(translated.translator))}",
            class_="hint",
        ),
        *_doubts(item, words),
        *_image(translated.source.image, images, words),
        *hint,
        *turns,
        _faults(said, words),
        element(
            "label",
            words["note"],
            element("textarea", said.note if said else "", name_="note", rows=2, dir="auto"),
        ),
        element("p", words["keys"], class_="hint"),
        id="review-form",
        data_key=item.key,
        data_edition=item.edition,
        data_fresh=secrets.token_hex(8),
        autocomplete="off",
    )


def decisions_of(item: Item, words: PageTexts, *, hide: str | None = None) -> str:
    """Returns what reviewers have said of a translation.

    Args:
        item: The translation.
        words: The page's texts.
        hide: Only shows what this reviewer has said.
    """
    said = [one for one in item.latest.values() if hide is None or one.reviewer == hide]
    if not said:
        return ""
    return element(
        "section",
        element("h3", words["verdicts"], id="verdicts-title"),
        *(_verdict(item, verdict, words) for verdict in said),
        aria_labelledby="verdicts-title",
        data_fresh=secrets.token_hex(8),
        class_="verdicts",
    )


def _turn(item: Item, number: int, text: str, words: PageTexts) -> Markup:
    translated = item.translated
    turn = translated.source.turns[number]
    language = languages.get(item.language)
    locks = spans_of(translated)[number]
    field, source = f"review-text-{number}", f"review-source-{number}"
    return element(
        "section",
        element("h3", _turn_name(item, number, words), id=f"review-turn-{number}"),
        element("h4", words["source"]),
        element(
            "div",
            *_with_locks(turn.text, locks),
            class_="source",
            id=source,
            lang=translated.source.language,
            dir="auto",
        ),
        element("label", words["translation"], for_=field),
        element(
            "textarea",
            Markup("\n"),  # the first line break in a field is none
            text,
            id=field,
            name_="text",
            lang=language.code,
            dir=language.direction,
            rows=min(12, 2 + len(text) // 70),
            data_before=translated.texts[number],
            data_locks=json.dumps([lock.wanted for lock in locks if lock.mark != lock.text]),
            aria_describedby=f"{source} review-missing-{number}",
        ),
        element(
            "p",
            class_="missing",
            id=f"review-missing-{number}",
            role="status",
            data_text=words["missing_lock"],
        ),
        element(
            "div",
            class_="changes",
            lang=language.code,
            dir=language.direction,
            role="group",
            aria_label=words["changes"],
        ),
        aria_labelledby=f"review-turn-{number}",
        class_="turn",
    )


def _with_locks(text: str, locks: Sequence[ProtectedSpan]) -> list[str]:
    pieces: list[str] = []
    for lock in locks:
        before, found, text = text.partition(lock.text)
        if not found:
            text = before
            continue
        pieces += [before, element("mark", found)]
    return [*pieces, text]


def _turn_name(item: Item, number: int, words: PageTexts) -> str:
    role = item.translated.source.turns[number].role
    return words[_TURN_NAMES[role]].format(number=number // 2 + 1)


def _doubts(item: Item, words: PageTexts) -> list[Markup]:
    """What the gates found, in the page's language; the details as translators are told them."""
    found = dict.fromkeys(
        (gate.gate, gate.turn, gate.reason) for gate in item.translated.gates if gate.reason
    )
    if not found:
        return []
    entries = []
    for gate, turn, reason in found:
        where = [] if turn is None else [element("strong", _turn_name(item, turn, words)), " · "]
        detail = element("p", reason, lang="en", dir="ltr", class_="hint")
        what = element("span", words.texts.get(f"gate_{gate}", gate))
        entries.append(element("li", *where, what, detail))
    return [
        element("div", element("h3", words["doubts"]), element("ul", *entries), class_="doubts")
    ]


def _image(name: str | None, images: Path | None, words: PageTexts) -> list[Markup]:
    if name is None:
        return []
    try:
        uri = thumbnail_uri(ImageFolder(images or Path()).read(name), _LONGEST_SIDE)
    except PaloError:  # said on the page instead
        return [element("p", words["no_image"], class_="hint")]
    return [element("img", src=uri, alt=page_texts(words.language.code)["image"])]


def _faults(said: ReviewDecision | None, words: PageTexts) -> Markup:
    boxes = [
        element(
            "label",
            element(
                "input",
                type="checkbox",
                name_="tag",
                value=tag,
                checked="" if said is not None and tag in said.tags else None,
            ),
            f" {words[f'tag_{tag}']}",
        )
        for tag in TAGS
    ]
    return element("fieldset", element("legend", words["faults"]), *boxes)


def _verdict(item: Item, verdict: ReviewDecision, words: PageTexts) -> Markup:
    name = "accepted_by" if verdict.opinion == "accept" else "rejected_by"
    language = languages.get(item.language)
    tags = " · ".join(words[f"tag_{tag}"] for tag in verdict.tags)
    changed = [
        element(
            "div",
            after,
            class_="changes",
            lang=language.code,
            dir=language.direction,
            data_before=before,
        )
        for before, after in zip(item.translated.texts, verdict.texts, strict=True)
        if before != after
    ]
    return element(
        "article",
        element("h4", words[name].format(name=isolated(verdict.reviewer))),
        *([element("p", tags)] if tags else []),
        *([element("p", verdict.note, dir="auto")] if verdict.note else []),
        *changed,
        class_=verdict.opinion,
    )


def notice(text: str, *, is_problem: bool = False) -> str:
    """Returns a notice that screen readers speak."""
    if not text:
        return ""
    role = "alert" if is_problem else "status"
    return element("p", joined(text), role=role, class_="problem" if is_problem else None)
