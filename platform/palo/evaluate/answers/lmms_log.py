"""Answers in the logs of lmms-eval: what it writes with --log_samples."""

from palo.evaluate.benches.rows import Row

_ANSWERS = ("filtered_resps", "resps")


def is_lmms_row(row: Row) -> bool:
    """Tells whether a line comes from such a log."""
    return "doc_id" in row.values and any(name in row.values for name in _ANSWERS)


def answer_row(row: Row) -> Row:
    """Returns a line of such a log in LLaVA's form.

    The question's id is that of its document where the log has it, else its number.

    Raises:
        DataError: If it has no answer, or several.
    """
    answer = next((row.values[name] for name in _ANSWERS if row.values.get(name)), None)
    # A list for each request, and in it one for each repeat.
    while isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, str):
        raise row.wrong("has not one answer", str(answer)[:60])
    document = row.values.get("doc")
    known = document.get("question_id") if isinstance(document, dict) else None
    values = {"question_id": row.values["doc_id"] if known is None else known, "text": answer}
    asked = row.values.get("input")
    return Row(row.path, row.number, values | ({"prompt": asked} if asked else {}))
