import pytest

from palo.translate.protected_spans.number_words import spelled_numbers
from palo.translate.protected_spans.protect import protect_text
from palo.translate.protected_spans.verify import LanguagePair, verify_spans


def _faults(source, text, language):
    return list(verify_spans(protect_text(source, language), text, LanguagePair(target=language)))


@pytest.mark.parametrize(
    ("source", "text", "language"),
    [
        ("2 cats", "قطتان", "ar"),
        ("2 hours", "ساعتين", "ar"),
        ("2,000 people", "ألفا شخص", "ar"),
        ("1 dog", "كلب", "ar"),
        ("11 cats", "أحد عشر قطًا", "ar"),
        ("12 cars", "اثنتا عشرة سيارة", "ar"),
        ("200 people", "مائتان من الناس", "ar"),
        ("25 cats", "خمس وعشرون قطة", "ar"),
        ("300 books", "ثلاثمائة كتاب", "ar"),
        ("70 cats", "семьдесят кошек", "ru"),
        ("80 cats", "восемьдесят кошек", "ru"),
        ("90 cats", "девяносто кошек", "ru"),
        ("200 cats", "двести кошек", "ru"),
        ("1.5 hours", "полтора часа", "ru"),
        ("7 cats", "семь кошек", "ru"),
        ("28 cats", "двадцать восемь кошек", "ru"),
        ("250 people", "двести пятьдесят человек", "ru"),
        ("70 cats", "सत्तर बिल्लियाँ", "hi"),
        ("25 cats", "पच्चीस बिल्लियाँ", "hi"),
        ("1.5 hours", "डेढ़ घंटा", "hi"),
        ("80 cats", "अस्सी बिल्लियाँ", "hi"),
        ("90 cats", "नब्बे बिल्लियाँ", "hi"),
        ("3.5 hours", "साढ़े तीन घंटे", "hi"),
        ("150 people", "डेढ़ सौ लोग", "hi"),
        ("50 cats", "পঞ্চাশটি বিড়াল", "bn"),
        ("70 cats", "সত্তরটি বিড়াল", "bn"),
        ("80 people", "আশি জন", "bn"),
        ("90 cats", "নব্বইটি বিড়াল", "bn"),
        ("9 cats", "নয়টি বিড়াল", "bn"),
        ("25 people", "পঁচিশ জন", "bn"),
        ("9 years", "নয় বছর", "bn"),
        ("70 cats", "ستر بلیاں", "ur"),
        ("80 years", "اسی سال", "ur"),
        ("90 cats", "نوے بلیاں", "ur"),
        ("25 people", "پچیس لوگ", "ur"),
        ("25 cats", "veinticinco gatos", "es"),
        ("21 cats", "veintiún gatos", "es"),
        ("70 cats", "setenta gatos", "es"),
        ("200 cats", "doscientos gatos", "es"),
        ("35 cats", "treinta y cinco gatos", "es"),
        ("1,200 cats", "mil doscientos gatos", "es"),
        ("70 cats", "soixante-dix chats", "fr"),
        ("80 cats", "quatre-vingts chats", "fr"),
        ("97 cats", "quatre-vingt-dix-sept chats", "fr"),
        ("9 cats", "neuf chats", "fr"),
        ("19 cats", "dix-neuf chats", "fr"),
        ("2.5 hours", "deux heures et demie", "fr"),
        ("71 cats", "soixante et onze chats", "fr"),
        ("2 cats", "俩猫", "zh"),
        ("35 people", "三十五人", "ja"),
        ("2 doors", "بابان", "ar"),
        ("2 men", "رجلين", "ar"),
        ("2 years", "عامين", "ar"),
        ("15,000 people", "خمسة عشر ألف شخص", "ar"),
        ("900 people", "تسعمائة شخص", "ar"),
        ("1.5 million", "полтора миллиона", "ru"),
        ("600 cats", "шестьсот кошек", "ru"),
        ("45 cats", "сорок пять кошек", "ru"),
        ("99 cats", "निन्यानवे बिल्लियाँ", "hi"),
        ("2.5 hours", "ढाई घंटे", "hi"),
        ("1.5 hours", "দেড় ঘণ্টা", "bn"),
        ("2.5 hours", "আড়াই ঘণ্টা", "bn"),
        ("200 people", "দুইশ জন", "bn"),
        ("75 years", "پچھتر سال", "ur"),
        ("1.5 hours", "ڈیڑھ گھنٹہ", "ur"),
        ("500 cats", "quinientos gatos", "es"),
        ("9 o'clock", "les neuf coups", "fr"),
        ("twenty-five", "25 chats", "fr"),
        ("90 cats", "nonante chats", "fr"),
        ("two and a half hours", "2,5 heures", "fr"),
    ],
)
def test_a_number_may_be_written_in_words(source, text, language):
    assert not _faults(source, text, language)


@pytest.mark.parametrize(
    ("source", "text", "language"),
    [
        ("7 cats", "семьдесят кошек", "ru"),
        ("8 cats", "восемьдесят кошек", "ru"),
        ("2 cats came", "Во вторник пришли кошки", "ru"),
        ("9 cats", "un vélo neuf", "fr"),
        ("7 people", "семья", "ru"),
        ("6 cats", "шестьдесят кошек", "ru"),
        ("5 cats", "пятьдесят кошек", "ru"),
        ("4 cats", "четыреста кошек", "ru"),
        ("9 cats", "এটি বিড়াল নয়।", "bn"),
        ("40 cats", "their fortune", "en"),
        ("80 cats", "اسی وجہ سے", "ur"),
        ("2 cats", "вторжение кошек", "ru"),
        ("3 cats", "قطتان", "ar"),
        ("9 cats", "Quoi de neuf avec ce chat ?", "fr"),
        ("80 cats", "ثماني قطط", "ar"),
        ("80 cats", "восемь кошек", "ru"),
        ("100 cats", "एक बिल्ली", "hi"),
        ("25 cats", "veinte gatos", "es"),
        ("2 cats", "مرحبا يا لبنان", "ar"),
    ],
)
def test_words_that_only_resemble_a_number_are_none(source, text, language):
    assert _faults(source, text, language)


def test_words_in_a_row_make_one_number():
    assert 97 in set(spelled_numbers("quatre-vingt-dix-sept", "fr"))
    assert 250_000 in set(spelled_numbers("двести пятьдесят тысяч", "ru"))
    assert 35 in set(spelled_numbers("treinta y cinco", "es"))
    assert 28 not in set(spelled_numbers("twenty of them, not eight", "en"))
