"""Hindi and Bengali: the danda that ends a sentence, and the nukta."""

import re

from palo.translate.normalizers.normalizer import (
    SPACING,
    Normalizer,
    SentenceEnds,
    by_line,
    full_stop,
    is_prose,
    mapping,
    no_space_before,
    prose,
    replacing,
    vocabulary,
)


def _danda(sentences: SentenceEnds) -> tuple[Normalizer, ...]:
    """Returns the normalizers of a script.

    Args:
        sentences: How sentences of its language end.
    """
    return (
        _bar(sentences),
        *prose(full_stop("।", sentences)),
        # A double one may stand before a verse, too.
        replacing("no space before a danda", r"(?<=\S)[ \u00a0]+(?=।(?!।))", ""),
    )


def _bar(sentences: SentenceEnds) -> Normalizer:
    """Returns the normalizer for a vertical bar in the danda's place; others divide columns.

    A line with more bars is no table where all of them stand behind words that end sentences.
    """
    letters = sentences.letters
    bar = re.compile(rf"(?<![{letters}])([{letters}]++)([ \u00a0]*+)\|(?=[\"”’)]*+(?:$|(\s)))")

    def ended(match: re.Match[str]) -> str:
        word, gap, goes_on = match.groups()
        is_danda = not (goes_on and gap and is_prose(match.string)) or word in sentences.words
        return f"{word}।" if is_danda else match[0]

    def is_meant(line: str) -> bool:
        words = [match[1] for match in bar.finditer(line)]
        return is_prose(line) or (
            len(words) == line.count("|") and all(map(sentences.is_verb, words))
        )

    return by_line(Normalizer(name="danda", apply=lambda line: bar.sub(ended, line)), is_meant)


_HINDI_ENDS = SentenceEnds(
    letters="\u0900-\u0963\u0970-\u097f",
    words=vocabulary(
        "है हैं था थी थे थीं हूँ हूं हो गए गई गया गये गयी लें दें दो लो करें कीजिए दीजिए रहा रही"
        " रहे किया दिया लिया हुआ हुई हुए जाए सके करो जाओ आओ देखो सुनो बोलो खोलो चलो रखो पढ़ो"
        " लिखो बैठो पूछो बताओ लाओ"
    ),
    answers=vocabulary("हाँ हां नहीं"),
    endings=("ता", "ती", "ते", "गा", "गी", "गे", "या", "यी", "ये", "ना", "नी", "िए", "ओ"),
    abbreviations=vocabulary(
        "प्रो श्री श्रीमती सुश्री डॉ डा मिस मिसेज पं स्व मिली मिमी सेमी किमी किग्रा ग्रा कि मी"
        " ली से प्रा लि लिमि प्राइ पब्लि कं सं क्र क्रं नं पृ ई वि ता दि पू उदा अध्या इंजी एड"
        " एडवो लेफ्ट कैप्ट मेज कर्न जन फर अप्रै अग सितं अक्टू नवं दिसं रु रू पै मो फो टे ज़ि जि"
        " तह पो त्रि चतु संपा अनु ले इंस्टी यूनि विवि मा शा उ स्टे हिं अं सी एम ए बी डी एस"
        " डब्ल्यू वाई एक्स एफ एच एल एन आर जे के ओ पी क्यू टी यू वी ज़ेड जेड ई जी आई कॉम टेक"
        " बीएससी एमएससी ब्रिगे हस्ता लेफ्टि इंस्पे सहा रजि पंजी टेली प्र सर्व राज"
    ),
)  # fmt: skip
_BENGALI_ENDS = SentenceEnds(
    letters="\u0980-\u09fe",
    words=vocabulary(
        "হয় নয় নেই নাই ছিল আছে না হলো হল দিন করুন নিন করে যায় পায় খায় চায় খাই যাই পাই চাই করি"
        " খাও যাও দাও নাও করো দেখো খোলো বলো পড়ো লেখো শোনো বসো এলো গেল"
    ),
    answers=vocabulary("হ্যাঁ না নয়"),
    endings=("ছে", "ছেন", "বে", "বেন", "লেন", "ছিল", "তেন", "েন", "নি", "ুন"),
    abbreviations=vocabulary(
        "কিমি সেমি মিমি কেজি প্রো মোঃ মো ড ডা ডাঃ ডঃ প্রা লি লিঃ প্রাঃ খ্রি খ্রিঃ খ্রী পূ পূঃ"
        " ইঞ্জি ইঞ্জিঃ অধ্যা অধ্যাঃ রেজি নং পৃ পৃঃ সং আনু মৃ বি এ এম কে পি সি ডি এস টি আর জি কো"
        " কোং কোঃ রা সা উদা ইং বাং মি গ্রা সে লে মেজ ক্যাপ্ট শ্রী শ্রীমতী এড এডভো অ্যাড অ্যাডভো"
        " লিমি প্রাই পাব জানু ফেব্রু সেপ্টে অক্টো নভে ডিসে হি তা টে ফো দ্র ডব্লিউ ওয়াই এক্স এফ"
        " এইচ এল এন জে ও কিউ ইউ ভি জেড ই আই কম টেক বিএসসি এমএসসি ব্রিগে জেনা ইন্স টেলি মোবা"
        " স্বা সম্পা সংস্ক প্রকা ব্যারি রেভা"
    ),
)  # fmt: skip

_HINDI = (
    replacing("nukta once", "\u093c{2,}", "\u093c"),
    *_danda(_HINDI_ENDS),
    *SPACING,
    # A colon close to its word looks like a visarga, so many put a space before it.
    *prose(no_space_before(",;!?")),
)

_BENGALI = (
    by_line(mapping("own letters", "ৰ৷", "র।"), lambda line: "অসমীয়া" not in line),
    replacing("khanda ta", "\u09a4\u09cd\u200d", "\u09ce"),
    replacing("nukta once", "\u09bc{2,}", "\u09bc"),
    *_danda(_BENGALI_ENDS),
    *SPACING,
    *prose(no_space_before(",;!?")),
)

BY_LANGUAGE = {"hi": _HINDI, "bn": _BENGALI}
