"""French and Russian: guillemets, dashes, and spaces at marks."""

import re

from palo.translate.normalizers.normalizer import (
    HIDDEN,
    SPACING,
    by_line,
    no_space_before,
    prose,
    quotes,
    replacing,
)

_SPACE = "[ \u00a0\u202f]*"
_ELIDED = "(?i:[ldjnmtsc]|qu|jusqu|lorsqu|puisqu|quoiqu|presqu)"

_FRENCH = (
    quotes("fr"),
    replacing("apostrophe", r"(?<=[^\W\d_])'(?=[^\W\d_])", "’"),
    replacing("apostrophe", rf"(?<![^\W\d_])({_ELIDED})'(?=[\d«“{HIDDEN}])", r"\1’"),
    *SPACING,
    *prose(
        no_space_before(".,"),
        replacing(
            "space before a high mark",
            rf"(?<=[^\s;:!?.(¿¡]){_SPACE}(?!;\))(?=[;!?]+(?:\s|$|[\u00a0\u202f»”\")]))"
            r"(?<![\u00a0\u202f])"
            rf"|(?<=[^\s;:!?.(])(?!(?<=\d){_SPACE}:{_SPACE}\d){_SPACE}(?=:(?:\s(?!\))|$))"
            r"(?<![\u00a0\u202f])",
            "\u00a0",
        ),
    ),
    # Within guillemets both no-break spaces are usual.
    replacing("space within guillemets", r"(?<=«)[ ]*(?=[^\s])", "\u00a0"),
    replacing("space within guillemets", r"(?<=[^\s])[ ]*(?=»)(?<![\u00a0\u202f])", "\u00a0"),
)

_FORMULA = re.compile("[=+×÷≈<>≤≥∙·^]")
_TERM = r"(?:\d\S*|[A-Za-z])"
_DASH = replacing(
    "dash",
    r"(?<![\s\d|])(?<![^\w][A-Za-z])(?<!^[A-Za-z])[ ](?:--?|–)[ ]"
    rf"(?!{_TERM}(?:\s|[.,;:!?]|$))(?=[^\s|-])",
    " — ",
)


def _is_no_formula(line: str) -> bool:
    return _FORMULA.search(line) is None


_RUSSIAN = (
    quotes("ru"),
    *prose(by_line(_DASH, _is_no_formula)),
    *SPACING,
    *prose(no_space_before(".,;:!?")),
)

BY_LANGUAGE = {"fr": _FRENCH, "ru": _RUSSIAN}
