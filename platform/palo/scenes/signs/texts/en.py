"""Signs in English."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="en",
    words=(
        "open",
        "closed",
        "exit",
        "entrance",
        "water",
        "tea",
        "bread",
        "school",
        "hospital",
        "market",
        "pharmacy",
        "station",
        "library",
        "hotel",
        "fruit",
        "danger",
    ),
    questions=(
        "what does the sign say",
        "what is written on the sign",
    ),
    answer="the sign says {word}",
)
