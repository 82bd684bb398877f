"""Signs in Japanese."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="ja",
    words=(
        "営業中",
        "準備中",
        "出口",
        "入口",
        "水",
        "お茶",
        "パン",
        "学校",
        "病院",
        "市場",
        "薬局",
        "駅",
        "図書館",
        "ホテル",
        "果物",
        "危険",
    ),
    questions=(
        "看板には何と書いてありますか",
        "看板の文字は何ですか",
    ),
    answer="看板には{word}と書いてあります",
)
