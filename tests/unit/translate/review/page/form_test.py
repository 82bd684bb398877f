"""The form, and what a browser sends back."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from palo import languages
from palo.translate.checks.run import CHECKS
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.item import Item, edition_of
from palo.translate.review.page.form import decisions_of, item_form, read_answer
from palo.translate.review.page.settings import review_texts
from palo.translate.translated import CheckResult, Decision

_EVIL = "<script>alert(1)</script>\"'&"


class _Reader(HTMLParser):
    """Collects elements with their attributes, and all that is text."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _item(translated):
    return Item(translated=translated, edition=edition_of(translated))


def test_everything_has_a_name_and_nothing_is_markup(translation, image_files):
    made = translation(
        language="ur", decision=Decision.REVIEW, texts=(_EVIL, "3"), image=image_files[0].name
    )
    item = _item(made)
    item.decisions.append(
        ReviewDecision(
            key=made.key, edition=item.edition, reviewer=_EVIL, outcome="reject",
            texts=("کتنے؟", "3"), tags=("meaning",), note=_EVIL,
        )
    )  # fmt: skip
    words = review_texts("ar")
    page = _Reader(item_form(item, words, None, image_files[0].parent))
    assert page.all("script") == []
    fields = page.all("textarea")
    labelled = {label.get("for") for label in page.all("label")}
    assert all(field["id"] in labelled for field in fields if field["name"] == "text")
    assert [field["dir"] for field in fields if field["name"] == "text"] == ["rtl", "rtl"]
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert all(set(field["aria-describedby"].split()) <= ids for field in fields[:2])
    (image,) = page.all("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"] == "صورة"
    assert _EVIL in page.texts[page.texts.index(words["translation"]) + 1]
    assert words["doubts"] in page.texts
    said = _Reader(decisions_of(item, words))
    assert said.all("script") == []
    assert _EVIL in said.texts
    assert decisions_of(item, words, hide="somebody else") == ""


def test_what_the_gates_found_is_told_in_the_readers_language(translation):
    made = translation(decision=Decision.REVIEW)
    checks = (
        CheckResult(
            check="protected_spans", decision=Decision.REVIEW, reason='"12" is missing.', turn=1
        ),
        CheckResult(check="script"),
    )
    page = _Reader(item_form(_item(replace(made, checks=checks)), review_texts("ur"), None))
    assert "جو جوں کا توں رہنا چاہیے تھا، وہ بدل گیا" in page.texts
    assert "جواب 1" in page.texts
    assert '"12" is missing.' in page.texts
    assert review_texts("ur")["check_script"] not in page.texts


def test_every_check_has_words_in_every_language():
    for code in languages.codes():
        assert {f"check_{name}" for name in (*CHECKS, "every_row")} <= set(review_texts(code).texts)


def test_an_images_path_starts_from_its_folder(translation, image_files):
    item = _item(translation(image=f"./{image_files[0].name}"))
    words = review_texts("hi")
    found = _Reader(item_form(item, words, None, image_files[0].parent))
    assert len(found.all("img")) == 1
    assert words["no_image"] in _Reader(item_form(item, words, None)).texts


def test_an_image_that_is_gone_is_told(translation, tmp_path):
    item = _item(translation(image=str(tmp_path / "none.jpg")))
    words = review_texts("bn")
    assert words["no_image"] in _Reader(item_form(item, words, None)).texts


def _sent(**changes):
    values = {"key": "k", "edition": "e", "texts": ["ک"], "tags": ["term", "term"], "note": " n "}
    return json.dumps({**values, **changes})


def test_what_a_browser_sends_is_read():
    said = read_answer(_sent(), "reject")
    assert (said.outcome, said.texts, said.tags, said.note) == ("reject", ("ک",), ("term",), "n")


@pytest.mark.parametrize(
    "sent",
    [None, "", "{", "[]", _sent(texts="a"), _sent(texts=[1]), _sent(note=None), _sent(key=3),
     " " * 4_000_001],
)  # fmt: skip
def test_what_is_no_answer_is_none(sent):
    assert read_answer(sent, "accept") is None
