import pytest

from palo.metrics.yes_no import yes_or_no


@pytest.mark.parametrize(
    "text",
    [
        "Yes, there is.",
        "是的，图中有。",
        "有一只狗。",
        "Oui !",
        "Sí, hay uno.",
        "Да.",
        "はい、あります。",
        "نعم، يوجد كلب.",
        "हाँ, एक कुत्ता है।",
        "जी हां।",
        "হ্যাঁ, আছে।",
        "あります。",
        "犬がいます。",
        "犬がいると思います。",
        "そうです。",
        "没错。",
        "Si, il y en a.",
        "There is a dog.",
        "Hay un perro.",
        "Il y a un chien.",
        "يوجد كلب.",
        "एक कुत्ता मौजूद है।",
        "একটি কুকুর আছে।",
        "ایک کتا موجود ہے۔",
        "جی ہاں، ایک کتا ہے۔",
    ],
)
def test_yes_is_understood_in_every_language(text):
    assert yes_or_no(text) == "yes"


@pytest.mark.parametrize(
    "text",
    [
        "No, there isn't.",
        "没有。",
        "不，图中没有狗。",
        "Non, il n'y en a pas.",
        "No hay ninguno.",
        "Нет, собаки нет.",
        "いいえ、ありません。",
        "لا، لا يوجد.",
        "नहीं, कोई कुत्ता नहीं है।",
        "না, নেই।",
        "ありません。",
        "いません。",
        "犬はいません。",
        "犬は写っていません。",
        "犬はいないと思います。",
        "違います。",
        "图中没有狗。",
        "不好意思，没有狗。",
        "Si miramos la foto, no hay ninguno.",
        "Lo siento, no hay perros.",
        "Il n’y a pas de chien.",
        "There is nothing.",
        "There aren't any dogs.",
        "لا يوجد كلب.",
        "तस्वीर में कुत्ता नहीं है।",
        "এখানে কুকুর নেই।",
        "تصویر میں کتا نہیں ہے۔",
        "جی نہیں۔",
    ],
)
def test_no_is_understood_in_every_language(text):
    assert yes_or_no(text) == "no"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A dog.",
        "Nothing is there",
        "yesterday",
        "نعمان",
        "ناک",
        "对不起，我看不清",
        "对于这张图片",
        "是否有狗？",
        "有没有狗？",
        "有点模糊",
        "不清楚",
        "不确定",
        "不一定",
        "没关系",
        "是谁？",
        "Si miramos la foto",
        "Si on regarde bien",
        "わかりません。",
        "わからないです。",
        "いやすい",
        "Hay que mirar bien",
        "मुझे नहीं पता।",
        "আমার জানা নেই।",
    ],
)
def test_what_is_neither_is_neither(text):
    assert yes_or_no(text) is None
