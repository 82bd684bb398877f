import pytest

from palo import languages
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.protected_spans.protect import protect_text


@pytest.mark.parametrize(
    ("language", "fault", "right"),
    [
        ("ar", "هل هذا قط , يا أحمد?", "هل هذا قط، يا أحمد؟"),
        ("ar", "مـــرحبا; أهلا", "مرحبا؛ أهلا"),
        ("ar", "ﻣﺮﺣﺒﺎ", "مرحبا"),
        ("ar", "شكراًاً في ۲۰۱۸", "شكرًا في ٢٠١٨"),
        ("ar", "کتاب في البیت", "كتاب في البيت"),
        ("ar", "ما معنى CPU?", "ما معنى CPU؟"),
        ("ur", "يہ كتاب ہے.", "یہ کتاب ہے۔"),
        ("ur", "کیا یہ بلی ہے ?", "کیا یہ بلی ہے؟"),
        ("ur", "سرخ, سبز; نیلا ٣", "سرخ، سبز؛ نیلا ۳"),
        ("hi", "यह एक बिल्ली है. वह सो रही है .", "यह एक बिल्ली है। वह सो रही है।"),
        ("hi", "यह घर है |", "यह घर है।"),
        ("hi", "वह सड़\u093cक है ।", "वह सड़क है।"),
        ("bn", "এটি একটি বিড়াল.", "এটি একটি বিড়াল।"),
        ("bn", "হঠাত্\u200d ৰাত ৷", "হঠাৎ রাত।"),
        ("zh", "这是一只猫,它在睡觉.", "这是一只猫，它在睡觉。"),
        ("zh", "这是 什么?真好!", "这是什么？真好！"),
        ("zh", "他说:\"你好\"(笑)。。。", "他说：“你好”（笑）……"),
        ("zh", "ＡＢＣ有３只猫 。", "ABC有3只猫。"),
        ("ja", "これは 猫です.｢ﾈｺ｣", "これは猫です。「ネコ」"),
        ("ja", "はい,そうです!", "はい、そうです！"),
        ("ja", "彼は\"猫\"と言った。", "彼は「猫」と言った。"),
        ("fr", "C'est quoi?", "C’est quoi\u00a0?"),
        ("fr", 'Il dit "oui" : non !', "Il dit «\u00a0oui\u00a0»\u00a0: non\u00a0!"),
        ("es", "Que es esto? Es un gato.", "¿Que es esto? Es un gato."),
        ("es", "1. Hola!", "1. ¡Hola!"),
        ("ru", 'Он сказал "да" - и ушёл .', "Он сказал «да» — и ушёл."),
        ("en", "A  cat ( black ) .", "A cat (black) ."),
    ],
)  # fmt: skip
def test_faults_of_translators_are_cleaned(language, fault, right):
    assert normalize_translation(fault, language) == right
    assert normalize_translation(right, language) == right


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ar", "في عام 1440هـ، قال «لا»."),
        ("ar", "الرقم 3,5 و 1,000."),
        ("ur", "ایم. اے. پاس ہے۔"),
        ("hi", "डॉ. राम और प्रो. श्याम 3.5 किमी चले।"),
        ("zh", "价格是 3.5 元，时间 12:30。"),
        ("ja", "Python 3.11、価格は1,000円です。"),
        ("fr", "Il est 12:30\u00a0; voir https://a.example/?b=c\u00a0!"),
        ("es", "Dime, ¿qué es esto?"),
        ("ru", "- Да.\n- Нет, 5 - 3."),
        ("en", "He's 6' 2\" tall and 5\" wide"),
    ],
)
def test_what_is_right_stays(language, text):
    assert normalize_translation(text, language) == text


@pytest.mark.parametrize("language", languages.codes())
def test_locks_are_never_touched(language):
    kept = ["https://a.example/?a=b,c;d", '`x  = "a" , b ?`', "<image>", "me@x.example", "f.jpg"]
    text = " ".join(kept)
    assert normalize_translation(text, language) == text
    locks = protect_text('A sign says "Really  ? , yes"', language).spans
    assert "Really  ? , yes" in normalize_translation('猫 "Really  ? , yes" ہے', language, locks)


def test_private_characters_of_a_text_survive():
    assert normalize_translation("a \ue000 b\ue001", "fr") == "a \ue000 b\ue001"


def test_a_language_without_rules_has_those_of_its_script(eleventh_language):
    assert (
        normalize_translation("Paka  mmoja ( mweusi ) ?", eleventh_language.code)
        == "Paka mmoja (mweusi)?"
    )
