"""Spaces: one between words, none before a mark or within brackets."""

from palo.translate.normalizers.normalizer import Normalizer, replacing

SINGLE_SPACES = replacing("single spaces", r"(?<=[^\s|])[ \u00a0]{2,}(?=[^\s|])", " ")
IN_BRACKETS = replacing("no space within brackets", r"(?<=[(\[])[ \u00a0]+(?=[^\s\])xX])", "")
AT_BRACKET_ENDS = replacing("no space within brackets", r"(?<=[^\s(\[])[ \u00a0]+(?=[)\]])", "")


def no_space_before(marks: str) -> Normalizer:
    """Returns the rule that no space precedes some marks where they end something."""
    return replacing(
        "no space before a mark",
        rf"(?<=[^\s.,;:!?|])[ \u00a0\u202f]+(?=[{marks}]+(?:\s|$|[\"”’»)]))",
        "",
    )


SPACING = (SINGLE_SPACES, IN_BRACKETS, AT_BRACKET_ENDS)
"""For every script that puts spaces between its words."""
