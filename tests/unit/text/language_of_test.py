import json

import pytest

from palo import languages
from palo.text.language_of import LanguageFinder, Verdict

TEXTS = {
    "en": "The man is riding a bicycle along the river.",
    "zh": "一个男人沿着河边骑自行车，天气很好。",
    "fr": "L'homme roule à vélo le long de la rivière.",
    "es": "El hombre va en bicicleta por la orilla del río.",
    "ru": "Мужчина едет на велосипеде вдоль реки.",
    "ja": "男の人が川に沿って自転車に乗っています。",
    "ar": "الرجل يركب دراجة على طول النهر في وسط المدينة القديمة.",
    "hi": "आदमी नदी के किनारे साइकिल चला रहा है।",
    "bn": "লোকটি নদীর ধারে সাইকেল চালাচ্ছে।",
    "ur": "آدمی دریا کے کنارے سائیکل چلا رہا ہے۔",
}
WRONG = (Verdict.WRONG_LANGUAGE, Verdict.WRONG_SCRIPT, Verdict.ROMANISED)


@pytest.fixture
def judge():
    return LanguageFinder(tuple(languages.every())).judge


@pytest.mark.parametrize("code", languages.codes())
def test_a_sentence_shows_its_language_whatever_is_expected(judge, code):
    for expected in languages.codes():
        judgment = judge(TEXTS[code], expected)
        assert judgment.found == code, expected
        assert judgment.verdict is (
            Verdict.RIGHT if code == expected else Verdict.WRONG_LANGUAGE
        ), expected


@pytest.mark.parametrize("code", languages.codes())
@pytest.mark.parametrize(
    "aside",
    [
        " 1234567890 ",
        "\n```python\nfor word in words:\n    print(word.upper(), end='')\n```",
        "\n`some words of inline code that go on for a long while`",
        " $$\\frac{some formula with many letters in it}{and below the line}$$",
        " https://example.org/a/very/long/path/with/many/words/in/it.html",
    ],
)
def test_code_numbers_and_addresses_do_not_count(judge, code, aside):
    assert judge(TEXTS[code] + aside, code).verdict is Verdict.RIGHT
    assert judge(aside, code).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("zh", "这是 Microsoft Windows XP Professional Service Pack 的界面。"),
        ("zh", "这个 function 返回 string 类型的 value，不会修改参数。"),
        ("hi", "यह New York का Empire State Building है।"),
        ("hi", "इस तस्वीर में New York का Empire State Building है।"),
        ("hi", "weather.com के अनुसार"),
        ("ru", "На вывеске написано «Starbucks Coffee Company»."),
        ("ja", "東京タワーは Tokyo Metropolitan Government の近くです。"),
        ("ar", "جهاز iPhone 15 Pro من Apple."),
    ],
)
def test_names_and_terms_in_another_script_do_not_count(judge, code, text):
    assert judge(text, code).verdict not in WRONG


@pytest.mark.parametrize(
    "text",
    [
        "", "42", "2", "?!", "OK", "USB", "A", "a", "IT", "STOP", "NASA", "Toyota", "iPhone",
        "wifi", "Harry Potter", "Harry Potter and the Goblet of Fire", "The Lord of the Rings",
        "Coca-Cola", "photo.jpg", "name@example.org", "km/h", "3 cm", "π",
    ],
)  # fmt: skip
@pytest.mark.parametrize("code", languages.codes())
def test_names_brands_options_and_units_are_never_wrong(judge, code, text):
    assert judge(text, code).verdict not in WRONG


@pytest.mark.parametrize("text", ["Sí", "No", "Rojo.", "Dos perros", "Una mesa de madera"])
def test_short_answers_in_spanish_are_never_wrong(judge, text):
    assert judge(text, "es").verdict not in WRONG


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ru", "Да"), ("ru", "Два кота"), ("ru", "Объём"), ("hi", "हाँ"), ("hi", "दो कुत्ते"),
        ("bn", "হ্যাঁ"), ("bn", "দুই"), ("ar", "نعم"), ("ar", "قط"), ("ja", "自転車"), ("ja", "はい"),
        ("ja", "りんご"), ("zh", "是"), ("zh", "两只猫"), ("ur", "جی ہاں"), ("ur", "کتاب"),
    ],
)  # fmt: skip
def test_short_answers_in_a_script_of_their_own_are_right(judge, code, text):
    assert judge(text, code).verdict is Verdict.RIGHT


@pytest.mark.parametrize("code", ["hi", "bn", "ru", "ar", "ur", "zh", "ja"])
@pytest.mark.parametrize("text", ["Yes.", "No, two.", "red", "a dog and a cat", "on the left"])
def test_short_answers_left_in_english_are_found(judge, code, text):
    assert judge(text, code).verdict in WRONG


ROMANISED = {
    "ru": "krasnyy krug stoit sleva ot sinego kvadrata na belom fone",
    "hi": "tasveer mein ek laal gola neele chaukor ke baayin taraf hai",
    "ur": "is tasveer mein ek surkh daira neelay murabba ke saath hai",
    "ar": "fi alsura dayira hamra ila yasar almurabba alazraq",
    "bn": "chhobite ekti lal britto nil borgokhetrer bam dike achhe",
    "zh": "tupian li you yi ge hongse de yuan zai lanse fangkuai zuobian",
    "ja": "kono gazou ni wa akai maru ga aoi shikaku no hidari ni aru",
}


@pytest.mark.parametrize(("code", "text"), ROMANISED.items())
@pytest.mark.parametrize("form", [str, str.capitalize, str.upper, str.title, "{}!".format])
def test_romanised_text_is_in_no_language_of_another_script(judge, code, text, form):
    judgment = judge(form(text), code)
    assert judgment.verdict is Verdict.ROMANISED
    assert (judgment.found, judgment.named) == ("Latn", "Latin letters")


@pytest.mark.parametrize(
    ("expected", "text", "found"),
    [
        ("hi", "माणूस नदीच्या काठाने सायकल चालवत आहे आणि मुलगा बघत आहे.", "mr"),
        ("hi", "मानिस नदीको किनारमा साइकल चलाइरहेको छ र केटाले हेरिरहेको छ।", "ne"),
        ("bn", "মানুহজনে নদীৰ পাৰে পাৰে চাইকেল চলাই আছে।", "as"),
        ("ru", "Чоловік їде на велосипеді вздовж річки, а хлопець дивиться.", "uk"),
        ("ru", "Мъжът кара колело край реката, а момчето го гледа отстрани.", "bg"),
        ("ru", "Їжак", "uk"),
        ("ar", "مرد در کنار رودخانه دوچرخه‌سواری می‌کند و پسر نگاه می‌کند.", "fa"),
        ("ur", "مرد در کنار رودخانه دوچرخه‌سواری می‌کند و پسر نگاه می‌کند.", "fa"),
        ("ur", "دراجة حمراء", "ar"),
        ("ar", "ایک سبز پہاڑی", "ur"),
        ("es", "O homem está andando de bicicleta ao longo do rio e não olha para trás.", "pt"),
        ("en", "Der Mann fährt mit dem Fahrrad am Ufer des Flusses entlang.", "de"),
        ("hi", "Der Mann fährt mit dem Fahrrad am Ufer des Flusses entlang.", "de"),
        ("fr", "L'uomo va in bicicletta lungo il fiume e il ragazzo lo guarda.", "it"),
    ],
)
def test_neighbours_of_a_script_are_told_apart_and_named(judge, expected, text, found):
    judgment = judge(text, expected)
    assert (judgment.verdict, judgment.found) == (Verdict.WRONG_LANGUAGE, found)
    assert judgment.named.isalpha()


@pytest.mark.parametrize("text", ["72歳のマイケル・ヴァン", "赤いりんごです、はい"])
def test_kana_settles_that_a_short_text_is_japanese(judge, text):
    assert judge(text, "zh").found == "ja"
    assert judge(text, "ja").verdict is Verdict.RIGHT


@pytest.mark.parametrize(
    ("text", "expected", "verdict", "found"),
    [
        ("東京都千代田区永田町一丁目七番一号", "ja", Verdict.UNDECIDED, None),
        ("赤い車", "ja", Verdict.RIGHT, "ja"),
        ("駅", "ja", Verdict.RIGHT, "ja"),
        ("山", "ja", Verdict.UNDECIDED, None),
        ("红色的自行车", "ja", Verdict.WRONG_LANGUAGE, "zh"),
        ("紅色的腳踏車停在車站前面的廣場上", "ja", Verdict.WRONG_LANGUAGE, "zh"),
        ("紅色的腳踏車停在車站前面的廣場上", "zh", Verdict.WRONG_SCRIPT, "Hant"),
        ("東京", "zh", Verdict.RIGHT, "zh"),
        ("駅前広場", "zh", Verdict.WRONG_LANGUAGE, "ja"),
        ("中国国家自然科学基金提供资金支持", "ja", Verdict.WRONG_LANGUAGE, "zh"),
    ],
)
def test_han_characters_decide_by_national_character_sets(judge, text, expected, verdict, found):
    judgment = judge(text, expected)
    assert (judgment.verdict, judgment.found) == (verdict, found)


@pytest.mark.parametrize("text", ["تل", "باب", "سرخ", "دو درخت"])
def test_short_urdu_may_do_without_its_own_letters(judge, text):
    assert judge(text, "ur").verdict not in WRONG


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("hi", "मैंने कल रात को अपने computer पर software install करके restart भी किया"),
        ("ru", "мужчина едет домой bicycle riding yes along the river"),
        ("hi", "bhai, यह फ़ोन bahut अच्छा है aur सस्ता bhi"),
    ],
)
def test_text_of_two_scripts_is_no_fault_of_its_speaker(judge, code, text):
    assert judge(text, code).verdict is Verdict.CODE_SWITCHED


def test_text_of_two_languages_of_a_script_is_code_switched(judge):
    text = " ".join(TEXTS[code] for code in ("en", "en", "en", "fr"))
    assert judge(text, "fr").verdict is Verdict.CODE_SWITCHED


def test_a_script_of_no_known_language_is_named(judge):
    judgment = judge("남자가 강가에서 자전거를 타고 있습니다", "ja")
    assert (judgment.verdict, judgment.found) == (Verdict.WRONG_SCRIPT, "Hang")
    assert judge("ο άντρας κάνει ποδήλατο", "en").named == "the script Grek"


def test_an_eleventh_language_is_told_from_its_neighbours(eleventh_language):
    judge = LanguageFinder(tuple(languages.every())).judge
    text = "Mwanamume anaendesha baiskeli kando ya mto katika mji mkubwa."
    assert judge(text, eleventh_language.code).verdict is Verdict.RIGHT
    assert judge(TEXTS["en"], eleventh_language.code).found == "en"
    assert judge(text, "en").found == eleventh_language.code


def test_korean_isnt_written_in_han_characters_alone():
    korean = languages.Language(code="ko", name="Korean", native_name="한국어", script="Kore")
    judge = LanguageFinder((*languages.every(), korean)).judge
    assert judge("남자가 강가에서 자전거를 타고 있습니다", "ko").verdict is Verdict.RIGHT
    assert judge("남자가 강가에서 자전거를 타고 있습니다", "zh").found == "ko"
    assert judge(TEXTS["zh"], "ko").found == "zh"


def test_a_question_is_detected_only_if_its_language_is_clear():
    detect = LanguageFinder(tuple(languages.every())).detect
    for code, text in TEXTS.items():
        assert detect(text) == code
    assert detect("Objet") is None
    assert detect("Чоловік їде на велосипеді вздовж річки, а хлопець дивиться.") is None
    assert detect("") is None


def test_a_language_that_nobody_can_identify_is_judged_by_its_script_alone():
    made_up = languages.Language(code="qqq", name="Q", native_name="Q", script="Latn")
    judge = LanguageFinder((*languages.every(), made_up)).judge
    assert judge(TEXTS["en"], "qqq").verdict is Verdict.UNDECIDED
    assert judge(TEXTS["ru"], "qqq").found == "ru"


@pytest.mark.data
def test_newspaper_text_is_right_and_answers_left_in_english_are_found(judge, data_folder):
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()][1::4]
    for code in languages.codes():
        num_wrong = sum(judge(row[code], code).is_wrong for row in rows)
        assert num_wrong <= 1, code  # a sentence that is French in all languages
        first = (" ".join(row[code].split()[:4])[:40] for row in rows)
        assert sum(judge(text, code).is_wrong for text in first) <= 2, code
        if code != "en":
            assert sum(judge(row["en"], code).found == "en" for row in rows) >= 240, code


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("bn", "ছবিতে মোট দুটি আকৃতি আছে।\nলাল বৃত্তটি নিচে বাঁ দিকে আছে।\nছবিতে দুটি বৃত্ত আছে।"),
        ("ru", "Всего на картинке одна фигура.\nНа картинке одна синяя фигура.\nЗвезда синяя."),
    ],
)
def test_a_few_plain_words_are_in_no_neighbouring_language(judge, code, text):
    assert not judge(text, code).is_wrong
