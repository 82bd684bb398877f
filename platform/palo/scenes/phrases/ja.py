"""Scenes in Japanese: a colour is an adjective or a noun with の; things are counted with つ."""

from palo.scenes.phrase_book import PhraseBook
from palo.scenes.questions import FIGURE, SceneFacts

_NOUNS = {
    FIGURE: "図形",
    "circle": "円",
    "square": "正方形",
    "star": "星",
    "heart": "ハート",
    "moon": "三日月",
    "arrow": "矢印",
}
# Before a noun, and as the colour's own name.
_COLOURS = {
    "red": ("赤い", "赤色"),
    "blue": ("青い", "青色"),
    "green": ("緑の", "緑色"),
    "yellow": ("黄色い", "黄色"),
    "black": ("黒い", "黒色"),
    "purple": ("紫の", "紫色"),
}
_PLACES = {
    "top_left": "左上",
    "top": "上の中央",
    "top_right": "右上",
    "left": "左の中央",
    "centre": "真ん中",
    "right": "右の中央",
    "bottom_left": "左下",
    "bottom": "下の中央",
    "bottom_right": "右下",
}
_SIDES = {"left": "左", "right": "右", "above": "上", "below": "下"}
_NUMBERS = ("零", "一つ", "二つ", "三つ", "四つ")
_NO_COLOUR = ("", "")


def _slots(facts: SceneFacts) -> dict[str, str]:
    before_noun, name = _COLOURS.get(facts.colour, _NO_COLOUR)
    anchor_colour, _ = _COLOURS.get(facts.anchor_colour, _NO_COLOUR)
    return {
        "noun": _NOUNS[facts.shape],
        "coloured": before_noun,
        "colour": name,
        "place": _PLACES.get(facts.place, ""),
        "number": _NUMBERS[facts.count],
        "side": _SIDES.get(facts.side, ""),
        "anchor": f"{anchor_colour}{_NOUNS.get(facts.anchor_shape, '')}",
    }


BOOK = PhraseBook(
    language="ja",
    slots=_slots,
    questions={
        "colour": ("{noun}は何色ですか", "{noun}の色は何ですか"),
        "shape": ("{coloured}図形は何ですか", "{coloured}図形はどんな形ですか"),
        "place": ("{coloured}{noun}はどこにありますか", "{coloured}{noun}の位置はどこですか"),
        "at": ("{place}には何がありますか", "{place}に見えるものは何ですか"),
        "count_shape": ("{noun}はいくつありますか", "絵の中に{noun}はいくつありますか"),
        "count_colour": (
            "{coloured}図形はいくつありますか",
            "絵の中に{coloured}図形はいくつありますか",
        ),
        "count_all": ("図形は全部でいくつありますか", "絵の中に図形は全部でいくつありますか"),
        "beside": ("{anchor}の{side}には何がありますか", "{anchor}の{side}に見えるものは何ですか"),
    },
    answers={
        "colour": "{noun}は{colour}です",
        "shape": "{coloured}図形は{noun}です",
        "place": "{coloured}{noun}は{place}にあります",
        "at": "{place}には{coloured}{noun}があります",
        "count_shape": "{noun}は{number}あります",
        "count_colour": "{coloured}図形は{number}あります",
        "count_all": "図形は全部で{number}あります",
        "beside": "{anchor}の{side}には{coloured}{noun}があります",
    },
    request="この絵を説明してください",
    joiner="",
)
