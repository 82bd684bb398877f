"""Signs in Hindi."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="hi",
    words=(
        "खुला",
        "बंद",
        "निकास",
        "प्रवेश",
        "पानी",
        "चाय",
        "रोटी",
        "विद्यालय",
        "अस्पताल",
        "बाज़ार",
        "औषधालय",
        "स्टेशन",
        "पुस्तकालय",
        "होटल",
        "फल",
        "ख़तरा",
    ),
    questions=(
        "बोर्ड पर क्या लिखा है",
        "बोर्ड पर कौन सा शब्द है",
    ),
    answer="बोर्ड पर {word} लिखा है",
)
