"""Signs in Arabic."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="ar",
    words=(
        "مفتوح",
        "مغلق",
        "مخرج",
        "مدخل",
        "ماء",
        "شاي",
        "خبز",
        "مدرسة",
        "مستشفى",
        "سوق",
        "صيدلية",
        "محطة",
        "مكتبة",
        "فندق",
        "فواكه",
        "خطر",
    ),
    questions=(
        "ماذا تقول اللافتة",
        "ما المكتوب على اللافتة",
    ),
    answer="مكتوب على اللافتة {word}",
)
