"""Why a row is no record, and texts that UTF-8 can hold."""

from palo.reasons import Reason

_SHOWN = 200


class BadRow(Exception):  # noqa: N818 - control flow of parsing
    """A row is no record.

    Args:
        reason: Why.
        detail: What was seen.
    """

    def __init__(self, reason: Reason, detail: object = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = writable(str(detail)[:_SHOWN])


def writable(text: str) -> str:
    """Returns a text without lone surrogates, which JSON can hold and UTF-8 can't.

    Args:
        text: The text.
    """
    return text.encode(errors="replace").decode()


def is_writable(text: str) -> bool:
    """Returns whether UTF-8 can hold a text.

    Args:
        text: The text.
    """
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
