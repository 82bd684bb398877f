"""What a check has found, in one line."""

from dataclasses import dataclass
from typing import Literal

from palo.terminal import one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check has found.

    Attributes:
        level: `ok`, `warning` for what costs speed or may fail later, or `fault`.
        subject: What was looked at, in a word or two.
        text: What was found, as a clause.
        fix: What to change, as a sentence; empty for `ok`.
    """

    level: Literal["ok", "warning", "fault"]
    subject: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        told = f"{self.text}. {self.fix}" if self.fix else self.text
        return f"{self.level:<8} {self.subject:<14} {one_line(told)}"


def good(subject: str, text: str) -> Finding:
    """Returns that something is as it should be.

    Args:
        subject: What was looked at.
        text: What was found.
    """
    return Finding(level="ok", subject=subject, text=text)


def warning(subject: str, text: str, fix: str) -> Finding:
    """Returns that something costs speed, or may fail later.

    Args:
        subject: What was looked at.
        text: What was found.
        fix: What to change.
    """
    return Finding(level="warning", subject=subject, text=text, fix=fix)


def fault(subject: str, text: str, fix: str) -> Finding:
    """Returns that something doesn't work.

    Args:
        subject: What was looked at.
        text: What was found.
        fix: What to change.
    """
    return Finding(level="fault", subject=subject, text=text, fix=fix)
