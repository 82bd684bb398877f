import pytest

from palo.translate.checks.case import CheckLimits
from palo.translate.checks.run import CheckSettings, run_checks
from palo.translate.translated import Decision

_SOURCE = "The image shows an overturned truck beside an adidas store near a river."


def _refusals(request, text, settings=None):
    results = run_checks(request, (text,), settings or CheckSettings())
    return {one.check for one in results if one.decision is not Decision.ACCEPT}


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [
        ("es", "Se ve un camión volcado junto a una tienda Adidas cerca de un río.", "volcado"),
        ("fr", "On voit un camion renversé près d’un magasin Adidas, près d’eau.", "renversé"),
        ("ru", "На снимке упавший грузовик рядом с магазином Adidas недалеко от реки.", "упавший"),
        ("ur", "تصویر میں دریا کے قریب Adidas کی دکان کے پاس ایک الٹا ہوا ٹرک ہے۔", "الٹا"),
        ("zh", "图片显示河边 Adidas 商店旁有一辆翻倒的卡车，车身很大。", "翻倒"),
    ],
)  # fmt: skip
def test_one_word_of_the_source_is_enough(make_request, language, right, wrong):
    request = make_request(_SOURCE, language=language)
    assert not _refusals(request, right)
    assert "untranslated" in _refusals(request, right.replace(wrong, "overturned"))
    loose = CheckSettings(limits=CheckLimits(unknown_words=1))
    assert not _refusals(request, right.replace(wrong, "overturned"), loose)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "Na snimke perevyornutyy gruzovik ryadom s magazinom Adidas nedaleko ot reki."),
        ("hi", "tasveer mein nadi ke paas Adidas ki dukan ke bagal mein ek ulta hua truck hai."),
        ("ar", "tuzhir alsuwra shahina maqluba bijanib matjar Adidas bilqurb min nahr kabir."),
        ("bn", "chhobite nodir kachhe Adidas dokaner pashe ekta ulte jawa truck dekha jachchhe."),
        ("ur", "tasveer mein darya ke qareeb Adidas ki dukaan ke paas aik ulta hua truck hai."),
        ("ru", "На снимке перевёрнутый gruzovik ryadom s magazinom Adidas недалеко от реки."),
    ],
)
def test_romanised_words_are_no_names(make_request, language, text):
    refused = _refusals(make_request(_SOURCE, language=language), text)
    assert {"untranslated", "language"} & refused


@pytest.mark.parametrize(
    ("source", "language", "text"),
    [
        (
            "The guide says that Save the Children helps people near the old bridge.",
            "es",
            "La guía dice que Save the Children ayuda a la gente cerca del puente viejo.",
        ),
        ("The word 'muppet' is funny today.", "ru", "Слово «muppet» сегодня кажется смешным."),
        ("The hospital shows a popular animal.", "es", "El hospital muestra un animal popular."),
        ("A fence of 5 km runs along the road.", "hi", "सड़क के साथ 5 km की बाड़ चलती है।"),
    ],
)  # fmt: skip
def test_names_quotations_cognates_and_symbols_may_stay(make_request, source, language, text):
    assert not _refusals(make_request(source, language=language), text)
