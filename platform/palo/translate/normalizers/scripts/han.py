"""Chinese and Japanese: full-width marks, and no spaces between the characters of a sentence."""

import re
import unicodedata

from palo.translate.normalizers.normalizer import (
    HIDDEN,
    Normalizer,
    by_line,
    is_prose,
    prose,
    quotes,
    replacing,
)

_SIGNS = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Han characters and kana, for use between square brackets."""
_KANA = "\u3040-\u30ff"
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CLOSED = "”’』」）》】〉〗"
_WIDE_MARKS = "，。！？；：、"
_WIDE_WORD = "[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]"
# With the marks within a number, a time or a formula; laughter in Japanese is a row of wide w.
_WIDE_ASCII = re.compile(
    rf"(?!ｗ+(?!{_WIDE_WORD})){_WIDE_WORD}+"
    r"(?:(?<=[０-９])(?:．(?=[０-９])|：(?=[０-９]{2}(?![０-９]))|，(?=[０-９]{3}(?![０-９])))[０-９]+"
    rf"|[＝＋]{_WIDE_WORD}+)*(?:(?<=[０-９])％)?"
)
_SENTENCE_END = re.compile(rf"[。！？]|[.!?…][{_CLOSED}\"]*\s*$")
# Characters by which two parts of a Chinese sentence hang together; items of a list have none.
_ZH_ENDS = "的了吗呢吧啊呀着"
_ZH_BEGINS = "他她它我你这那但而该此"
_ZH_JOINS = "是在有和与把被对从给向不没也都就很还又到说叫会能要想让的"
# Ends of Japanese predicates, and particles behind what they mark.
_JA_ENDS = (
    "です|ます|でした|ました|ません|でしょう|ましょう|である|であった|だった|ください|している|していた|された"
    "|される|なった|なる|いる|いた|ある|あった|した|ない|れる|られた"
)
_JA_JOINED_BEHIND = (
    rf"(?:[{_HAN}\u30a0-\u30ff]|これ|それ|あれ|どれ|ここ|そこ|あそこ|どこ|だれ|わたし|あなた)"
    r"[はがをにでともの]"
)
_JA_JOINED_BEFORE = rf"(?:{_JA_ENDS}|する|い(?:ます|ました|ません)|だ[。．.]|と[言い思])"
_NUMBER = "一二三四五六七八九十百\\d"
# Children's books and verses in kana have spaces between phrases.
_HAS_HAN = re.compile(f"[{_HAN}]")
_GAP = re.compile(rf"[{_SIGNS}] +[{_SIGNS}]")
# An entry of a list of references, by the mark for its kind: [M] is a book.
_REFERENCE = re.compile(r"\[(?:[JMCDNPSRGZ]|[A-Z]{2}|[A-Z]{1,2}/OL)\]")
_SPELLED = re.compile(rf"[{_SIGNS}](?:[ ][{_SIGNS}]){{5,}}(?![{_SIGNS}])")
# A face, such as (^_^) or (´・ω・`), is no remark in brackets.
_FACE = "\\^_`;*≧≦∀ω゜´｀°◕◡Дд>＾＿"


def _wide(name: str, mark: str, own: str, *, behind_words: str = r"\w)%") -> Normalizer:
    """Returns the rule that a mark behind the script, or before it, has full width.

    Args:
        name: What it is about.
        mark: The Latin mark.
        own: The mark of full width.
        behind_words: What else may stand before it, if the script follows.
    """
    plain = re.escape(mark)
    return replacing(
        name,
        rf"(?<=[{_SIGNS}{_CLOSED}])[ ]*{plain}(?![\w{plain}])[ ]*"
        rf"(?=[{_SIGNS}{_CLOSED}“‘「『（《\n\"]|$)"
        # One letter behind a mark makes a smiley: :D
        rf"|(?<=[{_SIGNS}{_CLOSED}])[ ]*{plain}(?![{plain}]|[DPpOo3XxVvSs](?!\w))[ ]*"
        rf"(?=[\w{HIDDEN}])"
        rf"|(?<=[{behind_words}{HIDDEN}])[ ]*{plain}[ ]*(?=[{_SIGNS}])",
        own,
    )


def _ascii(text: str) -> str:
    return _WIDE_ASCII.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def _full_stop(joined: str) -> tuple[Normalizer, ...]:
    """Returns the rules for a Latin full stop, which may also stand within a name or a heading.

    Args:
        joined: What tells a full stop from another dot where the text goes on: an expression.
    """
    dot = r"[.．]"
    return (
        # The last one of a line ends a sentence, unless the line is a number or a name alone.
        replacing(
            "full stop",
            rf"(?<=[{_SIGNS}{_CLOSED}])(?<!^[{_NUMBER}])(?<!^第[{_NUMBER}][章节課课条部])"
            rf"[ ]*{dot}(?=[ ]*(?:$|[{_CLOSED}\"]))",
            "。",
        ),
        replacing("full stop", joined.replace("DOT", rf"[ ]*{dot}[ ]*"), "。"),
    )


def _is_sentence(line: str) -> bool:
    """Returns whether a line is a sentence, not a list, a sign or a row of a table."""
    return is_prose(line) and _SENTENCE_END.search(line) is not None


def _joined(line: str) -> str:
    """Joins the characters of a sentence that stand apart one by one."""
    return _SPELLED.sub(lambda match: match[0].replace(" ", ""), line)


def _no_spaces(joining: str) -> tuple[Normalizer, ...]:
    """Returns the rules for spaces between characters; wide ones, and those of lists, are meant.

    Args:
        joining: What tells a sentence's spaces from those of a list: an expression, whose group
            `before` stays.
    """
    name = "no space between characters"
    joined = replacing(name, joining, r"\g<before>")

    def whole(line: str) -> str:
        after = joined.apply(line)
        return after if _HAS_HAN.search(line) or not _GAP.search(after) else line

    return (
        by_line(Normalizer(name=name, apply=_joined), _is_sentence),
        by_line(Normalizer(name=name, apply=whole), _is_sentence),
    )


def _marked_twice(text: str) -> str:
    """Writes several exclamation or question marks behind a sentence in full width."""
    return _TWICE.sub(lambda match: match[0].translate(_WIDENED), text)


def _is_no_reference(line: str) -> bool:
    return _REFERENCE.search(line) is None


_MARKS = (
    # Names of firms end in an exclamation mark: Yahoo!
    _wide("exclamation mark", "!", "！", behind_words=r"\d)%"),
    _wide("question mark", "?", "？"),
    _wide("semicolon", ";", "；"),
    replacing(
        "brackets",
        # Numbers alone may be a coordinate, or count the items of a list.
        rf"(?<=[{_SIGNS}{_CLOSED}])[ ]*\((?=[^()\n]*\w)(?![\d\s,.]+\))([^()\n{_FACE}]*)\)[ ]*"
        rf"(?=[{_SIGNS}{_CLOSED}{_WIDE_MARKS}]|$)"
        rf"|(?<![_\\])\(((?=[^()\n]*[{_SIGNS}])[^()\n{_FACE}]*+)\)",
        r"（\1\2）",
    ),
)
_NARROWED = Normalizer(name="narrow letters and digits", apply=_ascii)


def _no_space_at(behind: str) -> Normalizer:
    """Returns the rule that wide marks have no space before them, and some of them none behind.

    Args:
        behind: The marks without a space behind them, for use between square brackets.
    """
    return replacing(
        "no space at a mark", rf"(?<=\S)[ ]+(?=[{_WIDE_MARKS}])|(?<=[{behind}])[ ]+", ""
    )


_WIDTHS = (_NARROWED, _no_space_at(_WIDE_MARKS))
_TWICE = re.compile(rf"(?<=[{_SIGNS}{_CLOSED}])[!?]{{2,}}(?=$|[\s{_SIGNS}{_CLOSED}])", re.MULTILINE)
_WIDENED = str.maketrans("!?", "！？")
_ZH_FULL_STOP = (
    rf"(?<=[{_ZH_ENDS}])DOT(?=[{_HAN}])|(?<=[{_HAN}]{{2}})DOT(?=[{_ZH_BEGINS}])"
    rf"|(?<=[{_CLOSED}])DOT(?=[{_HAN}])"
)
_JA_FULL_STOP = "|".join(
    rf"(?<={end})DOT(?=[{_SIGNS}{_CLOSED}「『])" for end in (*_JA_ENDS.split("|"), f"[{_HAN}]い")
)

_CHINESE = (
    *_WIDTHS,
    *_no_spaces(
        rf"(?P<before>[{_ZH_JOINS}])[ ]+(?=[{_HAN}])|(?<=[{_HAN}])[ ]+(?=[{_ZH_JOINS}])"
        rf"|(?<=[{_HAN}])[ ]+(?=[{_ZH_ENDS}][。！？!?])"
    ),
    by_line(_wide("comma", ",", "，"), _is_no_reference),
    replacing("comma", r"(?<=[A-Za-z]),(?=[A-Z][A-Za-z' ]*(?:，|,[A-Z]|[\u4e00-\u9fff]))", "，"),
    by_line(_wide("colon", ":", "："), _is_no_reference),
    Normalizer(name="exclamation mark", apply=_marked_twice),
    *prose(*_full_stop(_ZH_FULL_STOP), *_MARKS),
    replacing("ellipsis", rf"(?<=[{_SIGNS}{_CLOSED}])(?:\.{{3,}}|。{{3,}})", "……"),
    quotes("zh"),
)

# A voicing mark without its kana belongs to a face.
_NARROW = re.compile("(?<![\uff9e\uff9f])[\uff61-\uff9d][\uff61-\uff9f]*")


def _full_width(text: str) -> str:
    return _NARROW.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


_JAPANESE = (
    Normalizer(name="full-width kana", apply=_full_width),
    _NARROWED,
    # Behind ！ and ？ a space is usual.
    _no_space_at("，。；：、"),
    *_no_spaces(
        rf"(?P<before>{_JA_JOINED_BEHIND})[ ]++(?=[{_SIGNS}])"
        rf"|(?<=[{_SIGNS}])[ ]++(?={_JA_JOINED_BEFORE})"
        rf"|(?<=[{_HAN}\u30a0-\u30ff])[ ]++(?=[はがをにでと][ ]+[{_SIGNS}])"
    ),
    _wide("comma", ",", "、"),
    # Names in Latin letters one after another, as Japanese lists them.
    replacing("comma", r"(?<=[A-Za-z]),(?=[A-Z][A-Za-z' ]*(?:、|,[A-Z]|[\u3040-\u30ff]))", "、"),
    replacing("comma", rf"(?<=[{_SIGNS}{_CLOSED}])，", "、"),
    *prose(*_full_stop(_JA_FULL_STOP), *_MARKS),
    quotes("ja"),
)

_ANY = (*_WIDTHS, *_MARKS)
BY_LANGUAGE = {"zh": _CHINESE, "ja": _JAPANESE}
BY_SCRIPT = {"Hans": _ANY, "Hant": _ANY, "Jpan": _ANY}
