import dataclasses

import pytest

from palo.translate.checks.run import run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.translated import Decision, decide

_SOURCE = "The cat is black and sleeps."


def _refused(request, draft):
    text = normalize_translation(draft, request.language)
    results = run_checks(request, (text,), drafts=(draft,))
    return [one for one in results if one.decision is not Decision.ACCEPT]


@pytest.mark.parametrize(
    ("source", "text", "language"),
    [
        ("In the very middle there is a red circle.", "بالکل درمیان میں ایک سرخ دائرہ ہے۔", "ur"),
        ("Not at all.", "بالکل نہیں۔", "ur"),
        ("Absolutely!", "بالکل!", "ur"),
        ("Definitely, it is a cat.", "बिल्कुल, यह एक बिल्ली है।", "hi"),
        ("Certainly not, it is a dog.", "ज़रूर नहीं, यह एक कुत्ता है।", "hi"),
        ("You must go there at once.", "অবশ্যই! এখনই সেখানে যান।", "bn"),
        ("Certainly, it is a cat.", "بالتأكيد، إنها قطة.", "ar"),
        ("Of course, it is a cat.", "بالطبع، إنها قطة.", "ar"),
        ("Here are three cats.", "Aquí tienes tres gatos.", "es"),
        ("I hope that it is sunny.", "J’espère qu’il fait beau.", "fr"),
        ("Of course it is a cat.", "もちろんです、これは猫です。", "ja"),
        ("I hope this helps you.", "希望这对您有帮助。", "zh"),
        ("Nice to be of use to you.", "お役に立てて嬉しいです。", "ja"),
        ("The translation is beautiful.", "অনুবাদটি সুন্দর।", "bn"),
        ("Note: the door is closed.", "ध्यान दें: दरवाज़ा बंद है।", "hi"),
        ("Note: the door is closed.", "Примечание: дверь закрыта.", "ru"),
        ("Please be aware: the door is closed.", "Примечание: дверь закрыта.", "ru"),
        ("Sorry, I can't see the face.", "抱歉，我看不清那张脸。", "zh"),
        ("Sorry, I can't see the face.", "দুঃখিত, আমি মুখটি দেখতে পাচ্ছি না।", "bn"),
        ("Sorry, I can't see the face.", "क्षमा करें, मैं चेहरा नहीं देख सकता।", "hi"),
        ("Sorry, I can't see the face.", "معذرت، میں چہرہ نہیں دیکھ سکتا۔", "ur"),
        ("Sorry, but it is closed.", "Извините, но он закрыт.", "ru"),
        ("Sorry, but it is closed.", "Lo siento, pero está cerrado.", "es"),
        ("Sorry, but I think it is closed.", "Désolé, mais je pense que c’est fermé.", "fr"),
        ("Excuse me, but could you help me?", "Извините, но не могли бы вы мне помочь?", "ru"),
        ("Sorry, no cat is here.", "عذرًا، لا توجد قطة هنا.", "ar"),
        ("Unfortunately, the cat isn't here.", "申し訳ありませんが、猫はここにいません。", "ja"),
        ("This is an AI robot in a factory.", "यह एक एआई मॉडल का रोबोट है, जो एक कारखाने में है।", "hi"),
        ("This is an AI robot in a factory.", "এটি একটি কারখানায় একটি এআই রোবট।", "bn"),
        ("I'm not able to see the cat.", "Je ne suis pas en mesure de voir le chat.", "fr"),
        (
            "The sign in Spanish says hello to all.",
            "El cartel en español dice: hola a todos.",
            "es",
        ),
        ("Absolutely, the cat is black.", "Absolument, le chat est noir.", "fr"),
        ("Sure, the cat is black.", "Конечно, кошка чёрная.", "ru"),
        ("Sure! The cat is black.", "Конечно! Кошка чёрная.", "ru"),
        ("The original text is in French.", "El texto original está en francés.", "es"),
        ("Exactly, the cat is black.", "¡Claro! El gato es negro.", "es"),
        ("Great! The cat is black.", "Parfait ! Le chat est noir.", "fr"),
        ("Yes, of course! The cat is black.", "当然！猫是黑色的。", "zh"),
        ("Attention: the floor is wet.", "注意：地面湿滑。", "zh"),
        ("Nota bene: the floor is wet.", "Nota: el suelo está mojado.", "es"),
        ("P.S. The door is closed.", "নোট: দরজা বন্ধ।", "bn"),
        ("I can't see any dog here.", "Lo siento, pero no veo ningún perro.", "es"),
        ("Unfortunately, I can't tell the colour.", "К сожалению, я не могу назвать цвет.", "ru"),
        ("I'm afraid I cannot read it.", "申し訳ありませんが、読めません。", "ja"),
        (
            "It isn't possible to say who it is.",
            "Je ne suis pas en mesure de dire qui c’est.",
            "fr",
        ),
        ("Here is your coffee, sir.", "Aquí tiene su café, señor.", "es"),
        ("I hope he sleeps well tonight.", "J’espère qu’il dormira bien ce soir.", "fr"),
        ("The subtitle is a bad one.", "Перевод плохой: слов не хватает.", "ru"),
        ("He can't help the old man.", "वह बूढ़े आदमी की मदद नहीं कर सकता।", "hi"),
        ("He can't help the old man.", "وہ بوڑھے آدمی کی مدد نہیں کر سکتا۔", "ur"),
        ("I cannot help them today.", "আমি আজ তাদের সাহায্য করতে পারি না।", "bn"),
        ("The robot says it can't assist.", "एक एआई मॉडल के रूप में रोबोट मदद नहीं कर सकता।", "hi"),
        ("Forgive me, but it is late.", "Lo siento, pero es tarde.", "es"),
        ("Pardon me, where is the station?", "Excusez-moi, où est la gare ?", "fr"),
        ("Alas, the shop is closed.", "К сожалению, магазин закрыт.", "ru"),
        ("I regret that I was late.", "申し訳ありませんが、遅れました。", "ja"),
        ("Is the AI robot able to see the cat?", "人工智能机器人能看到猫吗？", "zh"),
        ("What would you do as an AI?", "Que feriez-vous en tant qu’IA ?", "fr"),
        ("By all means, take a seat.", "ज़रूर! बैठिए।", "hi"),
        ("Yes! That is right.", "بالتأكيد! هذا صحيح.", "ar"),
        ("Of course!", "Bien sûr !", "fr"),
        ("I am certain that it is a cat.", "もちろんです！猫です。", "ja"),
        ("Great, thank you for coming.", "¡Perfecto! Gracias por venir.", "es"),
        ("No problem, come in.", "没问题！请进。", "zh"),
        ("Good idea. Let's go now.", "Хорошо! Пойдём сейчас.", "ru"),
        ("The text on the sign says hello.", "Текст на знаке: привет.", "ru"),
        ("The translation of the sign is wrong.", "Перевод надписи неверный.", "ru"),
        ("The text was translated into Hindi.", "पाठ का हिन्दी में अनुवाद किया गया।", "hi"),
        ("French: a language of love.", "Français : une langue d’amour.", "fr"),
        ("In Spanish, cat is gato.", "En español, gato es «gato».", "es"),
        ("A note lies on the table.", "Записка лежит на столе.", "ru"),
        ("Note the red car.", "注意红色的汽车。", "zh"),
        ("A note: buy milk.", "Примечание: купить молока.", "ru"),
        ("Warning: wet floor.", "সতর্কতা: মেঝে ভেজা।", "bn"),
    ],
)
def test_what_the_source_says_too_is_no_comment(make_request, source, text, language):
    assert not _refused(make_request(source, language=language), text)


@pytest.mark.parametrize(
    ("source", "text", "language"),
    [
        ("The cat is black and sleeps.", "Traduction : le chat est noir et dort.", "fr"),
        ("The cat is black and sleeps.", "Traduction\u00a0: le chat est noir et dort.", "fr"),
        ("The cat is black and sleeps.", "बिल्कुल! बिल्ली काली है और सोती है।", "hi"),
        ("The cat is black and sleeps.", "Lo siento, pero no puedo traducir esto ahora.", "es"),
        ("Sorry, I can't see the face.", "Lo siento, pero no puedo traducir esto ahora.", "es"),
        ("The cat is black and sleeps.", "抱歉，我无法翻译这个句子。", "zh"),
        ("The cat is black and sleeps.", "Кошка чёрная и спит. Примечание: я сохранил тон.", "ru"),
        (
            "The cat is black and sleeps.",
            "Bien sûr, voici le texte traduit : le chat est noir.",
            "fr",
        ),
        ("The cat is black and sleeps.", "আমি দুঃখিত, কিন্তু এটা আমি করব না।", "bn"),
        ("The cat is black and sleeps.", "Claro, aquí está la traducción: el gato es negro.", "es"),
        ("The cat is black and sleeps.", "ضرور! بلی کالی ہے اور سوتی ہے۔", "ur"),
        ("The cat is black and sleeps.", "猫是黑色的，正在睡觉。希望这对您有帮助！", "zh"),
        ("The cat is black and sleeps.", "ملاحظة: القطة سوداء ونائمة.", "ar"),
    ],
)
def test_what_the_translator_says_by_itself_is_found(make_request, source, text, language):
    assert _refused(make_request(source, language=language), text)


def test_an_assent_or_a_note_goes_to_people(make_request):
    request = make_request(_SOURCE, language="hi")
    assert {one.decision for one in _refused(request, "बिल्कुल! बिल्ली काली है और सोती है।")} == {
        Decision.REVIEW
    }


def test_only_a_sure_refusal_ends_in_quarantine(make_request):
    last = dataclasses.replace(make_request(_SOURCE, language="es"), attempt=2)
    sure = run_checks(last, ("Como modelo de lenguaje, no puedo traducir.",))
    assert decide(sure) is Decision.QUARANTINE
    unsure = run_checks(last, ("Lo siento, pero el gato es negro y duerme.",))
    assert decide(unsure) is Decision.REVIEW


@pytest.mark.parametrize(
    ("language", "text"),
    [("ar", "هو علی بن أبی طالب وهو نائم هنا."), ("ur", "یہ چهلکا آسان ہے کہ بلی سو رہی ہے۔")],
)
def test_a_letter_that_may_be_two_goes_to_people(make_request, language, text):
    request = make_request("It is easy to say that the cat sleeps.", language=language)
    refused = _refused(request, text)
    assert ("script", Decision.REVIEW) in {(one.check, one.decision) for one in refused}
