"""The report holds what it should, and nothing of a corpus's texts becomes markup."""

import re
from html.parser import HTMLParser

import pytest

from palo.corpus.report.report import ReportSettings, report_path, write_report
from palo.corpus.report.show import Inspector
from palo.errors import MismatchError


class Tags(HTMLParser):
    """What a browser would find."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.ids, self.attributes = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(write_inspected):
    return write_report(write_inspected()).read_text(encoding="utf-8")


def test_no_text_of_the_corpus_becomes_markup(page):
    found = Tags(page)
    assert found.open == []
    assert "script" not in found.tags
    assert {tag for tag in found.tags if tag in ("b", "a", "iframe", "object")} == {"a"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert page.count("&lt;script&gt;alert(1)") >= 4
    assert "\x1b" not in page
    assert r"\x1b[2J" in page


def test_nothing_comes_from_elsewhere(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'")
    links = [value for name, value in Tags(page).attributes if name in ("src", "href")]
    assert links
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in links)
    assert "url(" not in page
    assert "@import" not in page


def test_anchors_and_labels_lead_somewhere(page):
    found = Tags(page)
    assert len(found.ids) == len(set(found.ids))
    wanted = [value[1:] for name, value in found.attributes if name == "href"]
    wanted += [value for name, value in found.attributes if name == "aria-labelledby"]
    assert set(wanted) <= set(found.ids)
    assert ("lang", "en") in found.attributes


def test_each_language_is_shown_in_its_direction_with_its_image(page):
    assert page.count('src="data:image/png') == 3
    for code, answer in (
        ("ur", "اس تصویر میں ایک سرخ دائرہ ہے۔"),
        ("ja", "赤い円が一つあります。"),
    ):
        part = page[page.index(f'id="samples-{code}"') :]
        card = part[: part.index("</article>")]
        trained = card[card.index('class="part trained"') :]
        assert f'class="words" lang="{code}" dir="auto"' in trained
        assert answer in trained
        assert re.search(r"trained · \d+ tokens", card)
    assert "unicode-bidi: plaintext" in page
    assert "Chinese" in page  # said to be absent
    assert "No record is in" in page


def test_the_account_and_what_was_left_out_are_there(page):
    assert "not JSON: Expecting value" in page
    assert "last turn has no answer" in page
    assert "Group 1: 1 like the first" in page
    assert "<del>red" in page or "<del>&lt;b&gt;red" in page
    assert "at most 448 text tokens" in page
    assert 'role="img" aria-label="Lengths in Urdu: half of the samples' in page


def test_an_image_that_is_gone_or_another_by_now_is_said(write_inspected, tmp_path):
    folder = write_inspected()
    image = tmp_path / "photos" / "1.png"
    data = image.read_bytes()
    image.write_bytes(data + b"more")
    assert "image not found" in write_report(folder).read_text(encoding="utf-8")
    image.unlink()
    page = write_report(folder).read_text(encoding="utf-8")
    assert f"image not found: {image}" in page
    assert "<img" not in page


def test_stored_pixels_need_no_file(write_inspected, tmp_path):
    folder = write_inspected(kind="pixels")
    (tmp_path / "photos" / "1.png").unlink()
    assert write_report(folder).read_text(encoding="utf-8").count("<img") == 3


def test_the_same_corpus_gives_the_same_page(write_inspected):
    folder = write_inspected()
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert report_path(folder).read_bytes() == first
    few = write_report(folder, ReportSettings(samples=1, examples=1, groups=1))
    assert len(few.read_bytes()) <= len(first)


def test_another_tokenizer_is_refused(write_inspected, tmp_path):
    from tests.fixtures.finished import write_tokenizer

    folder = write_inspected()
    write_tokenizer(tmp_path / "other")
    with pytest.raises(MismatchError, match="another tokenizer"):
        Inspector(folder, tmp_path / "other").sample(0)
