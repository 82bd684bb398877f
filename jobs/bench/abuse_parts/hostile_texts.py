"""Texts that cost a careless parser time: one piece again and again, and what never closes."""

from collections.abc import Callable, Mapping
from random import Random

Make = Callable[[int], str]
"""Makes a text of about so many characters."""

_CHARACTERS = (
    *"[](){}<>&`$\\ \n\t\r0.,-'\"/:;=|*_~#@%!?^+aIZ",
    *"éक\u0947ক\u09cdبー漢的か😀“”«»「」⟦〚。।۔،…—",
    *"\u0301\u200d\u200b\u00ad\u202a\u2066\u2069\u00a0\u202f\u3000\u2028\ue000\x00\ud800\u0640\u064b",
)
_PIECES = (
    *(
        "\\[",
        "\\(",
        "$$",
        "$a",
        "``",
        "```",
        "```\n",
        "`a",
        "](",
        "[[",
        "[]",
        "{{",
        "{}",
        "()",
        "(a",
    ),
    *("a)", "<a ", "<a", "<a/", "<a b=", "<br", "<br ", " <br", "<image", "<!--", "&a", "&lt;"),
    *("&amp;", "&#1;", "&#38;", "&#x26", "&lt;a", "**", "1.", "1,", "1-", "1 ", "1 000 ", "1st "),
    *(
        "12:",
        "1h",
        "1/",
        "½ ",
        "-1e",
        "1 km ",
        "2,5 ft ",
        "million ",
        "one and ",
        "twenty-",
        "一万",
    ),
    *("I V ", "X", "a ", "a b ", "A ", "Aa ", "Ab. ", "ab, ", "a-", "a'", "a’", "a.", "a@", "a.b@"),
    *("a_", "./", "../", "http://", "www.", "www.a.", "https://a/", "#a", "@a", "%(a", "%s", "{a"),
    *(
        "a.com",
        "a.jpg",
        "x.y.z.",
        "⟦1",
        "⟦1⟧",
        "⟦ ",
        "〚 ",
        "\ue000 ",
        " \n",
        "\n ",
        "\n\n",
        "\r\n",
    ),
    *(
        "\t ",
        " \t\n",
        "- ",
        "-\n",
        "1) ",
        "1.\n",
        " .",
        " ,",
        " !",
        " ?",
        " :",
        "?!",
        ".)",
        '."',
        ' "',
    ),
    *('"a" ', '"a"b', "'a ", "'a' ", "“a", "«a", " »", "« ", "—", "- -", "--", " - ", "a: ", ":a"),
    *(
        "。 ",
        "。a",
        "a。",
        "， ",
        "漢 ",
        "漢,",
        "漢. ",
        "漢(",
        "(漢",
        "漢a",
        "かな",
        "クﾞ",
        "ﾊﾟ",
        "ＡＢ",
    ),
    *(
        "क. ",
        "क ",
        "क|",
        "क्",
        "ক. ",
        "ক্\u200d",
        "ب. ",
        "ب، ",
        "ب ?",
        "ب ",
        "بـ",
        "ب\u064b",
        "ک ي",
        "ﷲ",
    ),
    *(
        "\u202a\u2066",
        "\u2066\u202a",
        "\u202a\u202c",
        "\u2066\u202c",
        "\u202d\u2069",
        "\u200c ",
        "\u0301a",
    ),
    *(
        "e\u0301",
        "\u0301\u0323",
        "👨\u200d",
        "\ud800\udc00",
        "\x1b[",
        '{"a":',
        '["',
        "[0,",
        '"\\',
        "'''",
    ),
    *(
        "\\begin{a}",
        "\\begin{",
        "\\end{a}",
        "\\]\\[",
        "no ",
        "yes ",
        "i'm sorry ",
        "ab " * 20,
        "的话",
    ),
)
_CLOSERS: Mapping[str, str] = {
    "[": "]", "(": ")", "{": "}", "\u202a": "\u202c", "\u2066": "\u2069", "<b>": "</b>",
    "\\[": "\\]",
    "⟦": "⟧", "«": "»", "\u2066\u202a": "\u202c\u2069", '{"a":[': "]}",
}  # fmt: skip


def hostile_texts() -> dict[str, Make]:
    """Returns makers of hostile texts by a name that shows what they make."""
    pieces = dict.fromkeys((*_CHARACTERS, *_PIECES))
    found: dict[str, Make] = {ascii(piece): _again_and_again(piece) for piece in pieces}
    for opener, closer in _CLOSERS.items():
        found[f"{opener!a}, then {closer!a}"] = _halves(opener, closer)
    return found | {
        "'&' and many 'amp;'": _between("&", "amp;", ""),
        "'&', many 'amp;' and 'lt;b'": _between("&", "amp;", "lt;b"),
        "'<', many ' ' and '>'": _between("<", " ", ">"),
        "'<a' and many ' '": _between("<a", " ", ""),
        "'<a', many ' b' and '<'": _between("<a", " b", "<"),
        "'(' and many 'a '": _between("(", "a ", ""),
        "'```', many line ends and '`'": _between("```", "\n", "`"),
        "'```json', many line ends and '```'": _between("```json", "\n", "```"),
        "a mark of many digits": _between("⟦", "1", "⟧"),
        "a number of many digits": _between("", "9", ""),
        "isolates, then ends of embeddings": _halves("\u2066", "\u202c"),
        "embeddings, then ends of isolates": _halves("\u202a", "\u2069"),
        "ends of isolates within both": _halves("\u2066\u202a", "\u2069\u2069"),
        "environments, each of its own name": _counted("\\begin{{a{}}}"),
        "numbers, each another": _counted("{} "),
        "quantities, each another": _counted("{} km "),
        "words, each another": _counted("w{:b} "),
        "names, each another": _counted("of Nam{} "),
        "quoted words, each another": _counted('the sign "word {}" '),
        "addresses, each another": _counted("www.a{}.com "),
        "lines, each another": _counted("line {}.\n"),
        "random signs": _random,
    }


def _again_and_again(piece: str) -> Make:
    """A piece many times, then a letter, then the piece as often, and another end."""

    def make(size: int) -> str:
        half = piece * (size // 2 // len(piece))
        return f"{half}a{half}x"

    return make


def _between(before: str, piece: str, behind: str) -> Make:
    return lambda size: before + piece * (size // len(piece)) + behind


def _halves(first: str, second: str) -> Make:
    return lambda size: first * (size // 2 // len(first)) + second * (size // 2 // len(second))


def _counted(piece: str) -> Make:
    return lambda size: "".join(piece.format(n) for n in range(size // len(piece)))


def _random(size: int) -> str:
    draw = Random(size)  # noqa: S311 - the same text every time
    return "".join(draw.choices(_CHARACTERS, k=size))
