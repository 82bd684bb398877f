"""Scenes in Chinese: every count has its measure word, and two of something is 两, not 二."""

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts

# Noun and measure word.
_NOUNS = {
    FIGURE: ("图形", "个"),
    "circle": ("圆形", "个"),
    "square": ("正方形", "个"),
    "star": ("五角星", "颗"),
    "heart": ("爱心", "颗"),
    "moon": ("月牙", "个"),
    "arrow": ("箭头", "个"),
}
_COLOURS = {
    "red": "红色",
    "blue": "蓝色",
    "green": "绿色",
    "yellow": "黄色",
    "black": "黑色",
    "purple": "紫色",
}
_PLACES = {
    "top_left": "左上角",
    "top": "上方中间",
    "top_right": "右上角",
    "left": "左侧中间",
    "centre": "正中央",
    "right": "右侧中间",
    "bottom_left": "左下角",
    "bottom": "下方中间",
    "bottom_right": "右下角",
}
_SIDES = {"left": "左边", "right": "右边", "above": "上方", "below": "下方"}
_NUMBERS = ("零", "一", "两", "三", "四")


def _slots(facts: SceneFacts) -> dict[str, str]:
    noun, measure = _NOUNS[facts.shape]
    anchor, _ = _NOUNS.get(facts.anchor_shape, ("", ""))
    return {
        "noun": noun,
        "measure": measure,
        "colour": _COLOURS.get(facts.colour, ""),
        "place": _PLACES.get(facts.place, ""),
        "number": _NUMBERS[facts.count],
        "side": _SIDES.get(facts.side, ""),
        "anchor": f"{_COLOURS.get(facts.anchor_colour, '')}的{anchor}",
    }


BOOK = PhraseBook(
    language="zh",
    slots=_slots,
    questions={
        "colour": ("{noun}是什么颜色的", "{noun}的颜色是什么"),
        "shape": ("{colour}的图形是什么", "哪个图形是{colour}的"),
        "place": ("{colour}的{noun}在哪里", "{colour}的{noun}在图中的什么位置"),
        "at": ("{place}有什么", "{place}是什么"),
        "count_shape": ("图中有几{measure}{noun}", "图中有多少{measure}{noun}"),
        "count_colour": ("图中有几个{colour}的图形", "图中有多少个{colour}的图形"),
        "count_all": ("图中一共有几个图形", "图中一共有多少个图形"),
        "beside": ("{anchor}{side}有什么", "{anchor}{side}是什么"),
    },
    answers={
        "colour": "{noun}是{colour}的",
        "shape": "{colour}的图形是{noun}",
        "place": "{colour}的{noun}在{place}",
        "at": "{place}有一{measure}{colour}的{noun}",
        "count_shape": "图中有{number}{measure}{noun}",
        "count_colour": "图中有{number}个{colour}的图形",
        "count_all": "图中一共有{number}个图形",
        "beside": "{anchor}{side}有一{measure}{colour}的{noun}",
    },
    request="请描述这张图",
    joiner="",
)
