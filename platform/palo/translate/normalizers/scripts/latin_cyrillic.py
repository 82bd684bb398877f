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

_CODE = re.compile(r"[{}]|==|!=|&&|\w\([^()\n]{0,80}+\)[:;]")
# Of a style sheet, or of SQL, where the line ends in a semicolon.
_STATEMENT = re.compile(r"(?<![\w-])[\w-]{1,40}+: [^:;\n]{1,60}+; |^[A-Z]{3,}+ ")
# A name may end in its own mark, a variable or a small number in that of a factorial.
_OWN_MARK = (
    r"(?<=Yahoo)!|(?<=Kahoot)!|(?<=Joomla)!|(?<=Jeopardy)!|(?<=\b\d)!|(?<=\b[a-z])!"
    r"|(?<=lecteur [A-Z]):|(?<=disque [A-Z]):|(?<=partition [A-Z]):|(?<=unité [A-Z]):"
)
_SPACE_BEFORE_A_HIGH_MARK = replacing(
    "space before a high mark",
    rf"(?!{_OWN_MARK})(?:(?<=[^\s;:!?.(¿¡\"^]){_SPACE}(?!;\))"
    r"(?=[;!?]+[*_]*(?:\s|$|[\u00a0\u202f»”\")]))(?<![\u00a0\u202f])"
    rf"|(?<=[^\s;:!?.(\"])(?!(?<=\d){_SPACE}:{_SPACE}\d){_SPACE}(?=:[*_]*(?:\s(?!\))|$))"
    r"(?<![\u00a0\u202f]))",
    "\u00a0",
)


def _is_no_code(line: str) -> bool:
    is_statement = line.rstrip().endswith(";") and _STATEMENT.search(line)
    return not is_statement and _CODE.search(line) is None


_FRENCH = (
    quotes("fr"),
    replacing("apostrophe", r"(?<=[^\W\d_])'(?=[^\W\d_])", "’"),
    replacing("apostrophe", rf"(?<![^\W\d_])({_ELIDED})'(?=[\d«“{HIDDEN}])", r"\1’"),
    *SPACING,
    *prose(
        no_space_before(".,"),
        by_line(_SPACE_BEFORE_A_HIGH_MARK, _is_no_code),
    ),
    # Within guillemets both no-break spaces are usual.
    replacing("space within guillemets", r"(?<=«)[ ]*(?=[^\s])", "\u00a0"),
    replacing("space within guillemets", r"(?<=[^\s])[ ]*(?=»)(?<![\u00a0\u202f])", "\u00a0"),
)

_FORMULA = re.compile("[=+×÷≈<>≤≥∙·^]")
_TERM = r"(?:\d\S*|[A-Za-z])"
_HYPHEN = "[ ](?:--?|–)[ ]"
# Ranges of centuries, letters and days of the week.
_RANGE = (
    rf"(?<=[IVXLC]){_HYPHEN}[IVXLC]+\b|(?<=\b[А-ЯЁ]){_HYPHEN}[А-ЯЁ]\b"
    rf"|{_HYPHEN}(?:[Пп]н|[Вв]т|[Сс]р|[Чч]т|[Пп]т|[Сс]б|[Вв]с)\b"
)
_DASH = replacing(
    "dash",
    rf"(?!{_RANGE})(?<![\s\d|])(?<![^\w][A-Za-z])(?<!^[A-Za-z]){_HYPHEN}"
    rf"(?!{_TERM}(?:\s|[.,;:!?]|$)|\w\()(?=[^\s|-])",
    " — ",
)
# Direct speech, and who says it; an item of a list has no dash behind a comma.
_SPEECH = replacing("dash", r"^(?:--?|–)[ ](?=[А-ЯЁ][^\n]*[,!?…][ ](?:--?|–|—)[ ][а-яё])", "— ")


def _is_no_formula(line: str) -> bool:
    return _FORMULA.search(line) is None


_RUSSIAN = (
    quotes("ru"),
    *prose(by_line(_DASH, _is_no_formula), _SPEECH),
    *SPACING,
    *prose(no_space_before(".,;:!?")),
)

BY_LANGUAGE = {"fr": _FRENCH, "ru": _RUSSIAN}
