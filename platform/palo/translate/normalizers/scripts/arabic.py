"""Arabic and Urdu: marks that face left, letters in one form, own letters and digits."""

import re
import unicodedata

from palo.translate.normalizers.normalizer import (
    HIDDEN,
    SPACING,
    Normalizer,
    SentenceEnds,
    by_line,
    full_stop,
    mapping,
    no_space_before,
    prose,
    replacing,
    sparing,
    vocabulary,
)

_LETTERS = "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ed\u06fa-\u06ff\u0750-\u077f"
"""Letters of the script with the marks on them, for use between square brackets."""

_LETTER = re.compile(f"[{_LETTERS}]")
_LATIN_LETTER = re.compile("[A-Za-z\u00c0-\u024f]")
# Ligatures from U+FDFA on are signs of their own, which nobody spells out.
_FORMS = re.compile("[\ufb50-\ufdf9\ufe70-\ufefc]+")
# Persian keyboards have one letter for two of Arabic's, which differ at the end of a word only.
_FINAL_YEH = re.compile(rf"(?<![{_LETTERS}])([{_LETTERS}]*?)ی(?![{_LETTERS}])")
_YEH_WITHIN = re.compile(f"ی(?=[{_LETTERS}])")
_JOINED_BEFORE = re.compile("^[وفأ]?(?:ال|لل|[بلك]ال|[بلك])?(?=..)")
_WITH_ALIF_MAKSURA = vocabulary(
    "إلى حتى متى لدى سوى بلى مدى هدى معنى مبنى مستوى مستشفى مصطفى موسى عيسى يحيى ليلى لبنى سلمى"
    " منى ندى مرتضى مجتبى أخرى كبرى صغرى أقصى أدنى أعلى أقوى أسمى وسطى عظمى قصوى قتلى جرحى مرضى"
    " أسرى ذكرى شتى فتى مسمى ملتقى مقهى انتهى أعطى رأى سعى جرى مضى أتى نهى تولى أجرى ألقى أدى"
    " اشترى استولى تلقى اكتفى يرى ترى نرى يبقى تبقى يسعى تسعى يدعى تدعى حلوى فوضى دعوى شكوى فتوى"
    " عدوى جدوى قوى قرى مقتضى منتهى مستثنى محتوى فحوى مغزى مسعى مأوى ملهى مرسى منفى مجرى موسيقى"
    " أنثى حمى كرى ضحى هوى نوى بشرى سكرى غرقى يتامى قدامى ندامى ضحى الأولى أولى إحدى مهما حبلى"
    " عمى سدى صدى مرمى"
)
_WITH_YEH = vocabulary(
    "في الذي التي هي لي بي أي كي لكي نبي كرسي شرطي عربي مصري حوالي ثاني تالي ماضي حالي جاري قاضي"
    " سياسي اقتصادي حقيقي رسمي دولي وطني شخصي طبيعي علمي عالمي محلي عسكري أمريكي بريطاني فرنسي"
    " إسلامي يهودي مسيحي إيراني عراقي سوري لبناني أردني سعودي يمني ليبي تونسي مغربي جزائري"
    " سوداني فلسطيني إسرائيلي تركي روسي صيني هندي باكستاني أوروبي أفريقي إفريقي ياباني ألماني"
    " إيطالي إسباني كردي يجري يأتي يؤدي يعطي يشتري يحتوي ينتهي يكفي يمشي يقضي يعني ينبغي ضروري"
    " عادي قوي رئيسي أساسي رياضي فني ثقافي تاريخي مالي سنوي يومي بني رمادي برتقالي بنفسجي وردي"
    " ذهبي فضي خشبي معدني زجاجي أمامي خلفي جانبي علوي سفلي شمالي جنوبي شرقي غربي داخلي خارجي"
    " صيفي شتوي تقليدي حديدي كهربائي هوائي مائي"
) - vocabulary("بني")
_ALI = re.compile(r"(?:محمد|حسن|حسين|السيد|الإمام|الشيخ|يا|اسمه)\s+علی$")
_OF_ALI = re.compile(r"\s+(?:بن|ابن|محمد|حسن|حسين|رضا|أكبر|عبد|أبو)(?!\w)")
_NEAR = 12
# Arabic's heh stands in Urdu for two letters; behind a consonant that can be aspirated, words tell.
_HEH = re.compile(rf"(?<![{_LETTERS}])[{_LETTERS}]*ه[{_LETTERS}]*")
_ASPIRABLE = "بپتٹجچدڈڑکگ"
_PLAIN_HEH = re.compile(f"(?<![{_ASPIRABLE}])ه")
_BY_ARABIC_HEH = {
    word.translate({ord("ھ"): "ه", ord("ہ"): "ه"}): word
    for word in vocabulary(
        "بھی تھا تھی تھے تھیں بھائی پھر گھر ساتھ ہاتھ کچھ مجھے تجھے پھول ادھر اُدھر دیکھ دیکھا"
        " دیکھی دیکھے دیکھیں دیکھنا دیکھنے کھانا کھانے کھیل لکھا لکھی لکھے لکھنا پڑھا پڑھنا"
        " پڑھنے اچھا اچھی اچھے چھوٹا چھوٹی چھوٹے پیچھے نیچے بیٹھا بیٹھی بیٹھے بیٹھنا آنکھ آنکھیں"
        " گھوڑا گھوڑے گھوڑی بھورا بھوری بھورے دھوپ دودھ آدھا آدھی رکھا رکھی رکھے رکھنا کھڑا کھڑی"
        " کھڑے کھڑکی کھلا کھلی کھلے چھت جھیل جھنڈا ٹھنڈا ٹھیک اٹھا اٹھائے پتھر سمجھ سمجھا مجھ"
        " تجھ کبھی ابھی جبھی تبھی سبھی بھرا بھری بھرے ڈھیر کہ جبکہ بلکہ چونکہ حالانکہ تاکہ کہا"
        " کہنا کہتے کہتا کہتی کہیں جگہ"
    )
}


_QUOTED = r"(?:«[^«»\n]{0,200}+»|“[^“”\n]{0,200}+”|”[^“”\n]{0,200}+“|\"[^\"\n]{0,200}+\")"
_WORD = rf"(?<![{_LETTERS}\u200c])[{_LETTERS}\u200c]++"
# Words; verses between their own brackets; what is quoted behind the name of its language.
_PARTS_OF_URDU = re.compile(
    r"﴿[^﴿﴾\n]{0,400}+﴾"
    rf"|(?<![{_LETTERS}])(?:عربی|فارسی|پشتو|سندھی|کردی|آیت|قرآن|حدیث|دعا|سورۃ|سورہ)"
    rf"(?![{_LETTERS}])[^«“”\"\n]{{0,24}}+{_QUOTED}|{_WORD}"
)
_PARTS_OF_ARABIC = re.compile(
    rf"(?<![{_LETTERS}])(?:ب?ال)?(?:فارسي|أردي|كردي)ة?[ ]{_QUOTED}|{_WORD}"
)
# Letters of Pashto and Sindhi, which neither Arabic nor Urdu has.
_FOREIGN = "ټډړږښڼځڅېۍګٻڀٺٽٿڃڄڇڊڌڍڏڙڦڪڳڱڻ"
_FOREIGN_TO_ARABIC = re.compile(f"[پچژگٹڈڑںےہھ{_FOREIGN}]")
_FOREIGN_TO_URDU = re.compile(f"[{_FOREIGN}]")
_VOWEL_SIGN = re.compile("[\u064b-\u0652]")
_QUOTES = re.compile(r"[«“”\"﴿]")


def _is_no_arabic(part: str) -> bool:
    """Returns whether a part of an Arabic text is a quotation in Persian, or a name from there."""
    return bool(_QUOTES.search(part) or _FOREIGN_TO_ARABIC.search(part))


def _is_no_urdu(part: str) -> bool:
    """Returns whether a part of an Urdu text is Arabic, Persian or of another neighbour.

    A word with two vowel signs is from a verse, one with a non-joiner inside is Persian.
    """
    return bool(
        _QUOTES.search(part)
        or _FOREIGN_TO_URDU.search(part)
        or "\u200c" in part.strip("\u200c")
        or len(_VOWEL_SIGN.findall(part)) > 1
    )


def _mark(name: str, latin: str, own: str) -> Normalizer:
    behind = rf"(?<=[{_LETTERS}{HIDDEN}»”\")])"
    # A semicolon before a bracket is a smiley.
    closing = '"”»' if latin == ";" else '"”»)'
    return replacing(
        name,
        rf"{behind}[ \u00a0]*{re.escape(latin)}(?=\s|$|[{_LETTERS}{HIDDEN}{closing}])"
        rf"|{re.escape(latin)}(?=[ \u00a0]+[{_LETTERS}])",
        own,
    )


def _is_arabic(line: str) -> bool:
    """Returns whether most letters of a line are of the script: it may quote other words."""
    return len(_LETTER.findall(line)) >= len(_LATIN_LETTER.findall(line))


_ASKS = re.compile(
    "(?:هل|ما|من|كم|أين|متى|كيف|لماذا|ماذا|أي|کیا|کون|کہاں|کب|کیوں|کیسے|کتنے|کتنی|کتنا)"
    f"(?![{_LETTERS}])"
)


def _asked(line: str) -> str:
    """Writes the mark behind a word of another script, at the end of what is Arabic otherwise."""
    asks = line.endswith("?") and _LETTER.search(line)
    return f"{line[:-1]}؟" if asks and (_is_arabic(line) or _ASKS.match(line)) else line


def _spelled_out(text: str) -> str:
    return _FORMS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def _with_own_yeh(text: str) -> str:
    """Writes Arabic's letters for Persian's yeh; at the end of a word, where it is sure which."""

    def ended(match: re.Match[str]) -> str:
        stem = match[1].replace("ی", "ي")
        if stem == "عل":
            before = match.string[max(0, match.start() - _NEAR) : match.end()]
            is_name = _ALI.search(before) or _OF_ALI.match(match.string, match.end())
            return match[0] if is_name else "على"
        bare = _JOINED_BEFORE.sub("", stem)
        if f"{stem}ى" in _WITH_ALIF_MAKSURA or f"{bare}ى" in _WITH_ALIF_MAKSURA:
            return f"{stem}ى"
        if f"{stem}ي" in _WITH_YEH or f"{bare}ي" in _WITH_YEH:
            return f"{stem}ي"
        return f"{stem}ی"

    return _YEH_WITHIN.sub("ي", _FINAL_YEH.sub(ended, text)) if "ی" in text else text


def _with_own_heh(text: str) -> str:
    """Writes Urdu's letters for Arabic's heh, where it is sure which of two it stands for."""

    def written(match: re.Match[str]) -> str:
        known = _BY_ARABIC_HEH.get(match[0])
        return known if known is not None else _PLAIN_HEH.sub("ہ", match[0])

    return _HEH.sub(written, text)


_MARKS = (
    by_line(_mark("comma", ",", "،"), _is_arabic),
    by_line(_mark("semicolon", ";", "؛"), _is_arabic),
    by_line(_mark("question mark", "?", "؟"), _is_arabic),
    by_line(Normalizer(name="question mark", apply=_asked), bool),
)
_FORMS_OF_LETTERS = (
    Normalizer(name="presentation forms", apply=_spelled_out),
    # At the end of a word it is meant: it keeps a lone letter in its joined form.
    replacing("stretching", rf"(?<=[{_LETTERS}])\u0640+(?=[{_LETTERS}])", ""),
    replacing("doubled mark", r"([\u064b-\u0652])\1+", r"\1"),
    replacing("mark apart from its letter", r"(?<=[\u0620-\u064a])[ ]+(?=[\u064b-\u0652])", ""),
)

_ARABIC = (
    *_FORMS_OF_LETTERS,
    sparing(mapping("own letters", "کۀ", "كه"), _PARTS_OF_ARABIC, _is_no_arabic),
    sparing(Normalizer(name="own letters", apply=_with_own_yeh), _PARTS_OF_ARABIC, _is_no_arabic),
    mapping("own digits", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩"),
    replacing("nunation once", "\u064b\u0627\u064b|\u0627\u064b\u0627\u064b?", "\u064b\u0627"),
    *_MARKS,
    replacing("full stop", rf"(?<=[{_LETTERS}])[ ]*۔(?=\s|$|[\"”»)])", "."),
    *SPACING,
    *prose(no_space_before(".,:!؟،؛")),
)

_URDU_ENDS = SentenceEnds(
    letters=_LETTERS,
    words=vocabulary(
        "ہے ہو تھا تھی تھے گا گی گے دے لے ہیں ہوں دیں لیں کریں رہا رہی رہے گیا گئی گئے نہیں"
    ),
    abbreviations=vocabulary(
        "ایم ایس ایف ایل این ایچ ایکس ڈاکٹر اے بی سی ڈی ای جی آئی جے کے او پی کیو آر ٹی یو وی"
        " ڈبلیو وائی زیڈ مسٹر مسز مس پروفیسر پروف انجینئر انجینیئر لیفٹیننٹ کیپٹن میجر کرنل جنرل"
        " بریگیڈیئر سینٹ لمیٹڈ لمٹیڈ پرائیویٹ پرو انج لیف ایڈوو ص ج ھ ء م ق"
    ),
)

_URDU = (
    *_FORMS_OF_LETTERS,
    sparing(mapping("own letters", "كيىة", "کییۃ"), _PARTS_OF_URDU, _is_no_urdu),
    sparing(Normalizer(name="own letters", apply=_with_own_heh), _PARTS_OF_URDU, _is_no_urdu),
    mapping("own digits", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"),
    *_MARKS,
    *prose(full_stop("۔", _URDU_ENDS)),
    # A number alone in its line counts an item of a list.
    replacing("full stop", r"(?<!^\d)(?<!^\d\d)(?<=\d)\.(?=[\"”’»)]*$)", "۔"),
    *SPACING,
    *prose(no_space_before("۔:!؟،؛")),
)

BY_LANGUAGE = {"ar": _ARABIC, "ur": _URDU}
BY_SCRIPT = {"Arab": (*_FORMS_OF_LETTERS, *_MARKS, *SPACING)}
