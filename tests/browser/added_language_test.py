"""The chat page in a language that was just added: Persian, of which nobody has written a text."""

import pytest
from tests.browser.conftest import KEY
from tests.fixtures.browser_pages import served
from tests.fixtures.chat_server import running_chat_server

pytestmark = pytest.mark.drill

_QUESTION = "در این تصویر چند دایره قرمز هست؟"
_ANSWER = "#side-first .assistant .text"


@pytest.fixture
def persian_page(add_languages, tmp_path):
    """The page's address, and the server behind it."""
    from palo.client import Endpoint
    from palo.serve.chat_page.mount import mount_page
    from palo.serve.chat_page.settings import PageSettings

    add_languages("fa", chat_page="")
    with running_chat_server() as chat:
        chat.key = KEY
        settings = PageSettings(
            endpoint=Endpoint(url=chat.url), login=True, feedback=tmp_path / "feedback"
        )
        with served(lambda app: mount_page(app, settings), "/chat") as url:
            yield url, chat


def test_it_is_chosen_by_the_browser_answers_in_it_and_runs_from_right_to_left(
    chromium, persian_page, keep_screenshot
):
    url, chat = persian_page
    context = chromium.new_context(locale="fa", viewport={"width": 1280, "height": 860})
    context.set_default_timeout(90_000)
    tab = context.new_page()
    faults = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto(url)
    tab.fill("#key", KEY)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("html[data-palo=ready][lang=fa]")
    assert tab.evaluate("document.documentElement.dir") == "rtl"
    assert tab.locator("#language option[value=fa]").text_content() == "فارسی"

    tab.fill("#words", _QUESTION)
    tab.keyboard.press("Enter")
    tab.wait_for_function(
        "([selector, text]) => [...document.querySelectorAll(selector)]"
        ".at(-1)?.textContent.includes(text)",
        arg=[_ANSWER, _QUESTION],
    )
    tab.wait_for_selector("html:not(.busy)")
    (asked,) = chat.asked
    assert asked["messages"][0]["content"] == _QUESTION
    answer = tab.locator(_ANSWER).last
    assert answer.evaluate("one => getComputedStyle(one).direction") == "rtl"
    assert answer.evaluate("one => getComputedStyle(one).textAlign") in ("start", "right")
    keep_screenshot(tab, "answered_fa")
    context.close()
    assert faults == []
