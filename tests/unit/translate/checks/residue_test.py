import pytest

from palo.translate.checks.run import run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.translated import Decision

_QUESTION, _ANSWER = "What does the man do in the image?", "He rides a horse near a river."
_RIGHT = {
    "fr": ("Que fait l’homme sur la photo\u00a0?", "Il monte un cheval près d’une rivière."),
    "es": ("¿Qué hace el hombre de la imagen?", "Monta a caballo cerca de un río."),
    "ru": ("Что делает мужчина на снимке?", "Он едет верхом на лошади у реки."),
    "ur": ("تصویر میں آدمی کیا کر رہا ہے؟", "وہ دریا کے قریب گھوڑے پر سوار ہے۔"),
    "hi": ("तस्वीर में आदमी क्या कर रहा है?", "वह नदी के पास घोड़े पर सवार है।"),
    "zh": ("图片里的男人在做什么？", "他正在河边骑着一匹马。"),
}


def _residue(request, language, text, question=None):
    texts = (question or _RIGHT[language][0], text)
    cleaned = tuple(normalize_translation(one, language) for one in texts)
    results = run_checks(request, cleaned, drafts=texts)
    return [
        one.reason
        for one in results
        if one.check == "residue" and one.decision is not Decision.ACCEPT
    ]


@pytest.mark.parametrize("language", _RIGHT)
@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("TEXT <image>", '"<image>"'),
        ("TEXT</s>", '"</s>"'),
        ("<|im_start|>assistant\nTEXT<|im_end|>", '"<'),
        ("[INST] TEXT [/INST]", '"[INST]"'),
        ("<think>It is short.</think>TEXT", '"<think>"'),
        ("</think>\nTEXT", '"</think>"'),
        ("<｜end▁of▁sentence｜>TEXT", '"<'),
        ("TEXT \ufffd", "U+FFFD"),
        ("\u202eTEXT\u202c", "U+202E"),
        ("TEXT 😊", "😊"),
        ("## TEXT", '"#"'),
        ("TEXT&hellip;", "&hellip"),
        ("TEXT\\n", '"\\n"'),
        ('{"translation": "TEXT"}', '"{"'),
        (">>fra<< TEXT", '">"'),
        ("TEXT ▁", '"▁"'),
        ("TEXT https://translate.example", "address"),
        ("USER: TEXT", "USER"),
        ("gpt: TEXT", "gpt"),
        ("TEXT\nAssistant: TEXT", "Assistant"),
        ("A: TEXT", "A"),
        ("Turn 2: TEXT", "Turn 2"),
    ],
)  # fmt: skip
def test_what_the_source_lacks_is_named(make_request, language, template, named):
    request = make_request(_QUESTION, _ANSWER, language=language)
    assert not _residue(request, language, _RIGHT[language][1])
    found = _residue(request, language, template.replace("TEXT", _RIGHT[language][1]))
    assert found
    assert named in found[0]


@pytest.mark.parametrize(
    ("language", "role"),
    [
        ("ru", "Ответ ИИ"),
        ("zh", "AI助手"),
        ("ru", "Ассистент"),
        ("ur", "معاون"),
        ("zh", "助手"),
        ("es", "Asistente"),
        ("hi", "सहायक"),
    ],
)
def test_roles_are_known_in_the_language_too(make_request, language, role):
    request = make_request(_QUESTION, _ANSWER, language=language)
    assert _residue(request, language, f"{role}: {_RIGHT[language][1]}")


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *((language, "latin-1") for language in _RIGHT),
        ("fr", "cp1252"),
        ("es", "cp1252"),
        ("ru", "cp1251"),
        ("hi", "cp1251"),
        ("ur", "cp1256"),
        ("zh", "cp1256"),
    ],
)
def test_utf_8_that_was_read_in_another_encoding_is_refused(make_request, language, encoding):
    text = _RIGHT[language][1]
    misread = text.encode().decode(encoding, "ignore")
    request = make_request(_QUESTION, _ANSWER, language=language)
    texts = _RIGHT[language][0], normalize_translation(misread, language)
    results = run_checks(request, texts, drafts=(_RIGHT[language][0], misread))
    assert any(one.decision is not Decision.ACCEPT for one in results)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Press <Enter> and see `x[0]`.", "Appuyez sur <Enter> et voyez `x[0]`."),
        ("It costs #1 @ home *now*.", "Cela coûte #1 @ la maison *maintenant*."),
        ("A: the cat. B: the dog.", "A: le chat. B: le chien."),
        ("User: who is it?", "User: qui est-ce\u00a0?"),
        ("He said: it rains.", "Il a dit\u00a0: il pleut."),
        ("He sees SÃO PAULO, Ânes and Âmes.", "Il voit SÃO PAULO, Ânes et Âmes."),
    ],
)
def test_what_the_source_has_may_stay(make_request, source, text):
    request = make_request(_QUESTION, source, language="fr")
    assert not _residue(request, "fr", text)
