import pytest

from palo.translate.protected_spans.protect import ProtectionSettings, protect_text
from palo.translate.protected_spans.verify import LanguagePair, verify_spans
from palo.translate.request import MOST_SPANS


def _reasons(source, text, language):
    return [
        fault.reason
        for fault in verify_spans(
            protect_text(source, language), text, LanguagePair(target=language)
        )
    ]


@pytest.mark.parametrize(
    ("source", "text", "language"),
    [
        ("3 cats at 3 p.m.", "3 chats à 15 h", "fr"),
        ("1,000.5 and 10 million", "1 000,5 et 10 millions", "fr"),
        ("10 million people", "1000万人", "zh"),
        ("£2.8bn", "28億ポンド", "ja"),
        ("£125m", "1億2,500万ポンド", "ja"),
        ("100,000 cars", "1 लाख गाड़ियाँ", "hi"),
        ("2 dogs", "দুটি কুকুর", "bn"),
        ("7.55 in the morning", "সকাল ৭ টা ৫৫", "bn"),
        ("in the 1930s", "en los años 30", "es"),
        ("the 19th century", "el siglo XIX", "es"),
        ("three cats", "3 кота", "ru"),
        ("300 km away", "على بعد ٣٠٠ كم", "ar"),
        ("85 miles per hour", "每小时 85 英里", "zh"),
        ("see https://a.example", "دیکھیں https://a.example", "ur"),
        ("It weighs 5 kg", "它重5公斤", "zh"),
        ("25 km away", "25キロ離れた", "ja"),
        ("It weighs 25 kg", "重さは25キロ", "ja"),
        ("at 120 km/h", "со скоростью 120 километров в час", "ru"),
        ("at 120 km/h", "120 किलोमीटर प्रति घंटे की गति से", "hi"),
        ("30 m long", "طوله 30 مترًا", "ar"),
        ("a prize of $45", "un premio de 45 dólares", "es"),
        ("it is 25°C", "気温は25度です", "ja"),
        ("50 g of salt", "৫০ গ্রাম লবণ", "bn"),
        ("30 m (98 ft)", "30 m (98 pieds)", "fr"),
        ("30 m (98 ft)", "30 mètres", "fr"),
        ("1,00,000 people", "1,00,000 लोग", "hi"),
    ],
)
def test_what_says_the_same_in_another_way_is_intact(source, text, language):
    assert not _reasons(source, text, language)


@pytest.mark.parametrize(
    ("source", "text", "language", "reason"),
    [
        ("13 cats", "15 chats", "fr", "13 is missing from the translation."),
        ("cats", "१५ बिल्लियाँ", "hi", "The source has no number १५."),
        ("5 miles", "5 kilomètres", "fr", "5 miles has become km."),
        ("£2.8bn", "28万ポンド", "ja", "2.8bn is missing from the translation."),
        ("see www.a.example", "regardez", "fr", '"www.a.example" must stand in the translation.'),
        ("see www.a.example", "www.a.example www.a.example", "fr", "2 times, not 1"),
        ("cats", "chats ⟦4⟧", "fr", "The mark ⟦4⟧ stands for nothing."),
        ('A sign says "STOP"', "Un panneau dit ARRÊT", "fr", '"STOP" must stand'),
        ("It weighs 5 kg", "Il pèse 5 g", "fr", "5 kg has become g."),
        ("It weighs 5 kg", "Pesa 5 lb", "es", "5 kg has become lb."),
        ("It weighs 5 kg", "Он весит 5 фунтов", "ru", "5 kg has become"),
        ("It weighs 5 kg", "یہ 5 پاؤنڈ کا ہے", "ur", "5 kg has become"),
        ("30 cm wide", "30 मीटर चौड़ा", "hi", "30 cm has become m."),
        ("30 cm wide", "عرضه 30", "ar", "30 cm has lost its unit, cm."),
        ("30 cm wide", "幅は30です", "ja", "30 cm has lost its unit, cm."),
        ("at 120 km/h", "à 120 m/s", "fr", "120 km/h has become m/s."),
        ("at 120 km/h", "120公里的火车", "zh", "120 km/h has become km."),
        ("at 120 km/h", "১২০ কিমি বেগে", "bn", "120 km/h has become km."),
        ("a prize of $45", "45 € de premio", "es", "45 has become €."),
        ("a prize of $45", "45 का इनाम", "hi", "45 has lost its unit, $."),
        ("it is 25°C", "il fait 25 °F", "fr", "25°C has become °F."),
        ("1,000 people", "1,0000 personnes", "fr", "1,000 is missing"),
        ("1,000 people", "1,0000 افراد", "ur", "1,000 is missing"),
        ("12,500 people", "12.50 personas", "es", "12,500 is missing"),
        ("30 m (98 ft)", "30 m (105 pieds)", "fr", "98 ft is missing"),
        ("30 m (98 ft)", "30 m ( pieds)", "fr", "98 ft is missing"),
    ],
)
def test_each_lock_that_is_not_intact_is_told(source, text, language, reason):
    assert any(reason in told for told in _reasons(source, text, language))


def test_what_comes_twice_must_come_twice():
    source = "www.a.example or www.a.example"
    assert _reasons(source, "www.a.example", "fr") == [
        '"www.a.example" must stand in the translation 2 times, but it does so 1 times.'
    ]


def test_numbers_that_were_not_locked_are_not_proved():
    locked = protect_text("13 cats", "fr", settings=ProtectionSettings(numbers=False))
    assert not list(verify_spans(locked, "15 chats", LanguagePair(target="fr")))


def test_conversions_are_faults_where_they_are_not_allowed():
    locked = protect_text("Waves of 20 feet", "fr")
    assert not list(verify_spans(locked, "Des vagues de 6 mètres", LanguagePair(target="fr")))
    strict = LanguagePair(target="fr", conversions=False)
    assert len(list(verify_spans(locked, "Des vagues de 6 mètres", strict))) == 2
    assert list(verify_spans(locked, "Des vagues de 9 mètres", LanguagePair(target="fr")))


def test_the_locks_of_a_text_with_very_many_are_not_compared():
    tags = " ".join(f"#a{number}" for number in range(MOST_SPANS + 1))
    assert _reasons(tags, tags, "fr") == [
        "The source holds 1001 parts that must stay, too many to prove."
    ]
