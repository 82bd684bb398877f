"""Whether an answer says yes or no, in any language of the registry.

A word for yes or no begins it, or a sentence that says whether something is there. Words that only
look like one, such as Spanish `si` for "if" or the first sign of 对不起, "sorry", decide nothing.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

from palo.language_files import added_codes, language_words
from palo.metrics.matching import folded

YesOrNo = Literal["yes", "no"]

# Polite words before yes or no, and the words themselves; longer ones before shorter ones.
_POLITE = "जी|জি|জ্বি|جی"
_SPACED_YES = "yes|yeah|yep|oui|sí|да|نعم|أجل|हाँ|हां|হ্যাঁ|হ্যা|ہاں"
_SPACED_NO = "no|nope|non|нет|لا|كلا|नहीं|ना|না|নেই|نہیں|نا"
# Signs that begin other words as well: sorry, whether, not clear, perhaps, a bit, with regard to.
_YES = (
    "はい|ええ|是的|是(?![否不谁什哪])|有(?![没点些可人待])|对(?![不起面于方比照待着称话])|没错"
    "|当然"
)
_NO = (
    "いいえ|いや(?!す)|没有|没(?![错问关事准])|不是|不存在|不(?![清确知好一太能明过仅只但同可])|否"
)
# "Si" is yes in French, contradicting, and without its accent in Spanish; before a clause it is if.
_SI = re.compile(r"\s*si\s*(?:[,.;!…]|$)", re.IGNORECASE)
_FIRST_SENTENCE = re.compile(r"[^.!?。！？।۔؟\n]*")

_THINKS = re.compile("(?:と(?:思います|思う|考えます))$")


def _composed(pattern: str) -> re.Pattern[str]:
    """Returns an expression for folded text, in whose composed form letters with a dot are two."""
    return re.compile(unicodedata.normalize("NFKC", pattern))


_ABSENT = _composed(
    r"(?<!\w)(?:there (?:is|are) (?:no|not|none|nothing|nobody)|there (?:isn|aren) t|no hay"
    r"|il n y (?:en )?a (?:pas|aucun)|нету|не видно|لا (?:يوجد|توجد)|ليس (?:هناك|في)"
    r"|नहीं (?:है|हैं|दिख)|(?<!জানা )(?<!ধারণা )নেই(?=$)|نہیں (?:ہے|ہیں))(?!\w)"
    r"|(?<!有)没有|不存在"
    r"|(?:ありません|いません|見えません|見当たりません|違います|(?:^|[はがも])い?ない(?:です)?)(?:でした|ね|よ)?$"
)
_PRESENT = _composed(
    r"(?:there (?:is|are)|hay(?! que)|il y (?:en )?a|есть|(?:يوجد|توجد))(?!\w)"
    r"|.*(?:^|[がはもに])(?:あります|います|見えます|ある|いる)(?:ね|よ)?$|(?:そうです|その通りです)(?:ね|よ)?$"
    r"|.*(?<!\w)(?:मौजूद (?:है|हैं)|موجود (?:ہے|ہیں)|আছে|রয়েছে)$"
)


def _beginning(spaced: str, unspaced: str) -> re.Pattern[str]:
    words = "|".join(folded(word) for word in spaced.split("|"))
    polite = "|".join(folded(word) for word in _POLITE.split("|"))
    return re.compile(rf"(?:(?:{polite}) )?(?:(?:{words})(?: |$)|{unspaced})")


@lru_cache(maxsize=8)
def _beginnings(added: tuple[str, ...]) -> dict[YesOrNo, re.Pattern[str]]:
    """Returns what an answer of yes and one of no begin with, in added languages, too."""
    own = {name: _own_words(added, name) for name in ("yes", "no")}
    return {
        "yes": _beginning(_SPACED_YES + own["yes"], _YES),
        "no": _beginning(_SPACED_NO + own["no"], _NO),
    }


def _own_words(added: tuple[str, ...], name: str) -> str:
    words = (word for code in added for word in getattr(language_words(code), name))
    return "".join(f"|{word}" for word in words if folded(word))


def yes_or_no(answer: str) -> YesOrNo | None:
    """Returns whether an answer says yes or no, in any language; None if it says neither.

    Args:
        answer: The answer.
    """
    words = folded(answer)
    found = [name for name, pattern in _beginnings(added_codes()).items() if pattern.match(words)]
    if found:
        return found[0] if len(found) == 1 else None
    if _SI.match(answer):
        return "yes"
    sentence = next((one for one in _FIRST_SENTENCE.findall(answer) if one.strip()), "")
    sentence = _THINKS.sub("", folded(sentence))
    if _ABSENT.search(sentence):
        return "no"
    return "yes" if _PRESENT.match(sentence) else None
