"""The review page in a real browser: a correction in Urdu, a rejection, a second reviewer."""

import json

import pytest
from tests.fixtures.browser_pages import review_opened, served

from palo.translate.review.page.settings import review_texts
from palo.webui.texts import isolated

_CORRECTED = "تصویر میں ٹھیک 3 سیب ہیں۔ ${x} {{y}} <b>"


@pytest.fixture(scope="module")
def review(chromium, tmp_path_factory):
    """The page in front of a review in Urdu and Arabic; its address and its folder."""
    from tests.fixtures.translations import translation_of

    from palo.translate.review.page.mount import mount_review
    from palo.translate.review.page.settings import ReviewPage
    from palo.translate.review.store import ReviewStore

    folder = tmp_path_factory.mktemp("review")
    rows = [translation_of(number, "ur", doubt=number / 10) for number in range(4)]
    ReviewStore(folder).add([*rows, translation_of(9, "ar")])
    with served(lambda app: mount_review(app, ReviewPage(folder=folder, second_share=1.0))) as url:
        yield url, folder


@pytest.fixture
def open_review(chromium, review):
    """Opens the page as somebody with a name; waits until it shows something."""
    contexts = []

    def open_page(name, language="ur"):
        contexts.append(chromium.new_context(locale=language))
        return review_opened(contexts[-1], review[0], name, language)

    yield open_page
    for context in contexts:
        context.close()


def _wait_for_item(tab, number):
    tab.wait_for_selector(f"#review-form[data-key^='photos/{number}@']")


def _said(folder):
    return [
        json.loads(line) for line in (folder / "decisions.jsonl").read_text("utf-8").splitlines()
    ]


def test_one_corrects_and_rejects_and_another_sees_it(open_review, review, keep_screenshot):
    words = review_texts("ur")
    tab = open_review("آمنہ")
    assert tab.evaluate("document.documentElement.dir") == "rtl"
    _wait_for_item(tab, 3)  # the most doubtful
    answer = tab.locator("#review-text-1")
    assert answer.get_attribute("dir") == "rtl"
    assert tab.locator("#review-source-1 mark").all_text_contents() == ["3"]
    assert tab.locator("#review-title").text_content().startswith("How many apples")
    assert isolated("4") in tab.locator("#review-form .hint").first.text_content()
    assert tab.title().startswith("How many apples")
    source, field = (
        tab.locator(part).bounding_box() for part in ("#review-source-1", "#review-text-1")
    )
    assert abs(source["y"] - field["y"]) < 60, "source and translation aren't side by side"
    assert source["x"] > field["x"] + field["width"], "the source isn't first in an Urdu page"
    told = "getComputedStyle(document.querySelector('#accept'), '::after').content"
    assert "Ctrl+Enter" in tab.evaluate(told)
    locked = tab.locator("section:has(#review-text-1) .locked mark")
    assert locked.all_text_contents() == ["3"]
    answer.fill("تصویر میں سیب ہیں۔")
    tab.keyboard.press("Control+Enter")
    tab.wait_for_selector("#notice [role=alert]")
    assert isolated("3") in tab.locator("#notice").text_content()
    assert answer.input_value() == "تصویر میں سیب ہیں۔"

    answer.fill(_CORRECTED)
    assert tab.locator(".turn .changes ins").first.text_content()
    tab.get_by_label(words["tag_agreement"]).check()
    keep_screenshot(tab, "review_ur")
    tab.reload()
    _wait_for_item(tab, 3)
    assert answer.input_value() == _CORRECTED
    tab.keyboard.press("Control+Enter")
    _wait_for_item(tab, 2)
    assert words["saved_accept"] in tab.locator("#notice").text_content()
    assert tab.evaluate("document.activeElement.id") == "review-title"
    tab.keyboard.press("Alt+r")
    _wait_for_item(tab, 1)
    first, second = _said(review[1])
    assert (first["outcome"], first["texts"][1]) == ("accept", _CORRECTED)
    assert first["tags"] == ["agreement"]
    assert (second["outcome"], second["reviewer"]) == ("reject", "آمنہ")

    other = open_review("बिलाल", "hi")
    _choose(other, "#reviewed", "اردو")
    _wait_for_item(other, 3)
    # Second reviewers decide without knowing the first decision.
    assert other.locator("#decisions article").count() == 0
    assert other.locator("#review-text-1").input_value() != _CORRECTED
    other.click("#accept")
    _wait_for_item(other, 2)
    _choose(other, "#view", review_texts("hi")["view_others"])
    _wait_for_item(other, 3)
    assert other.locator("#decisions .changes ins").first.text_content()
    assert isolated("1") in other.locator("#progress p").nth(1).text_content()
    other.click("#next")
    _wait_for_item(other, 2)
    told = review_texts("hi")["rejected_by"].format(name=isolated("آمنہ"))
    assert other.locator("#decisions h4").all_text_contents() == [told]
    keep_screenshot(other, "review_hi")
    assert tab.faults == other.faults == []


def _choose(tab, part, option):
    tab.click(f"{part} input")
    tab.get_by_role("option", name=option).click()
