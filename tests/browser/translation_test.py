"""The whole way of a translation, its corrections typed into the page by somebody who knows."""

import subprocess
import sys

import pytest
from tests.conftest import ROOT
from tests.fixtures.browser_pages import review_opened, served

from palo import storage


@pytest.fixture
def review_tab(chromium, tmp_path):
    """Opens the page of the review that the job has filled with Apertium's drafts."""
    from palo.translate.review.page.mount import mount_review
    from palo.translate.review.page.settings import ReviewPage

    settings = ReviewPage(folder=tmp_path / "job" / "review", images=tmp_path / "scenes")
    context = chromium.new_context(locale="es")
    with served(lambda app: mount_review(app, settings)) as url:
        yield lambda: review_opened(context, url, "Ana", "es")
        context.close()


def correct_in_browser(tab, store, source) -> int:
    """Types the right words into all that waits in a tab; returns how many translations."""
    from palo.translate.review.page.settings import review_texts

    span_wrong = review_texts(tab.get_attribute("html", "lang"))["tag_span_wrong"]
    num_corrected = 0
    while form := tab.query_selector("#review-form"):
        key = form.get_attribute("data-key")
        for number, text in enumerate(source.right_texts(store.find(key))):
            tab.fill(f"#review-text-{number}", text)
        tab.keyboard.press("Control+Enter")
        answered = tab.wait_for_function(
            """key => {
                if (document.querySelector("#notice [role=alert]")) return "refused";
                return document.querySelector("#review-form")?.dataset.key !== key && "saved";
            }""",
            arg=key,
        )
        if answered.json_value() == "refused":
            tab.get_by_label(span_wrong).check()
            tab.keyboard.press("Control+Enter")
            tab.wait_for_function(
                "key => document.querySelector('#review-form')?.dataset.key !== key", arg=key
            )
        num_corrected += 1
    return num_corrected


def _run(job, *flags):
    """Runs a job in a process of its own: the browser's client runs an event loop in this one."""
    command = [sys.executable, str(ROOT / "jobs" / job), *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_typed_into_the_page_becomes_records(apertium_pairs, review_tab, tmp_path):
    from palo.pipeline.translated_scenes import SceneSource
    from palo.translate.review.store import ReviewStore

    size = ["--to", "es", "--num-conversations", "3", "--num-rounds", "2"]
    shown = _run("show_translation.py", "--by-hand", *size, "--output", tmp_path)
    assert "3 translations wait for you" in shown
    source = SceneSource(folder=tmp_path / "scenes")
    store = ReviewStore(tmp_path / "job" / "review")
    assert correct_in_browser(review_tab(), store, source) == 3

    flags = ["--to", "es", "--backend", "apertium", "--review-all"]
    done = _run("translate.py", source.rows, *flags, "--output", tmp_path / "job")
    assert "es: 3 records, 0 in review" in done
    right = [source.right_texts(item) for item in store.items()]
    rows = [row for _, row in storage.read_json_lines(tmp_path / "job" / "records" / "es.jsonl")]
    assert {row["gates"]["reviewer"] for row in rows} == {"Ana"}
    told = [tuple(turn["value"] for turn in row["conversations"]) for row in rows]
    assert told == [(f"<image>\n{question}", *others) for question, *others in right]
