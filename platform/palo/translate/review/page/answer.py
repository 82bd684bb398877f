"""What the form in the browser sends, read with as little trust as it deserves."""

import json
from collections.abc import Mapping

from palo.translate.review.decision import Opinion, ReviewDecision

_MOST_CHARACTERS = 4_000_000


def read_answer(text: object, opinion: Opinion) -> ReviewDecision | None:
    """Returns the decision that a browser sent; None if it is none.

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
