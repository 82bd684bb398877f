"""Signs in Chinese."""

from palo.scenes.signs.sign_texts import SignTexts

TEXTS = SignTexts(
    language="zh",
    words=(
        "营业中",
        "已打烊",
        "出口",
        "入口",
        "水",
        "茶",
        "面包",
        "学校",
        "医院",
        "市场",
        "药店",
        "车站",
        "图书馆",
        "酒店",
        "水果",
        "危险",
    ),
    questions=(
        "牌子上写着什么",
        "牌子上的字是什么",
    ),
    answer="牌子上写着{word}",
)
