"""The chat page in a real browser: Arabic and Bengali, a large screen and a telephone."""

import json
import re

import pytest

from palo.serve.served_runs import TRAIN_COMMAND
from palo.webui.texts import isolated, page_texts

_DESKTOP = {"viewport": {"width": 1280, "height": 860}}
_TELEPHONE = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
_QUESTION = "كم دائرة حمراء في هذه الصورة؟ يسأل PALO 7B عن scene.png، وعددها 2."
_ANSWER = f"«{_QUESTION}»"
_BENGALI = "এই ছবিতে কয়টি লাল বৃত্ত আছে?"
# What a page says, in every way that people see or hear it, but for what was said in the talk.
_SAID = """() => {
  const texts = [];
  for (const part of document.querySelectorAll('gradio-app *')) {
    if (!part.checkVisibility() || part.closest('.message .text, select, .name')) continue;
    for (const name of ['aria-label', 'title', 'placeholder', 'alt'])
      if (part.getAttribute(name)) texts.push(part.getAttribute(name));
    for (const node of part.childNodes)
      if (node.nodeType === 3 && !['STYLE', 'SCRIPT', 'TEXTAREA'].includes(part.tagName))
        texts.push(node.textContent);
  }
  return texts.map((text) => text.trim()).filter(Boolean);
}"""
_ANSWERS = "#side-first .assistant .text"
# What a finger must hit is 44 pixels wide and high.
_SMALL = """() => [...document.querySelectorAll('button, select, input, textarea, summary')]
  .filter((one) => one.checkVisibility() && one.type !== 'checkbox')
  .map((one) => [one.id || one.className, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < 43.5 || box.height < 43.5)
  .map(([name, box]) => `${name} ${box.width} x ${box.height}`)"""
_NAMES = re.compile(r"PALO|palo-7b|palo-mobile")


def _bot(tab):
    return tab.locator("#side-first .assistant .text").last


def _wait_for_text(tab, selector, text):
    tab.wait_for_function(
        "([selector, text]) => [...document.querySelectorAll(selector)]"
        ".at(-1)?.textContent.includes(text)",
        arg=[selector, text],
    )


def _ask(tab, text):
    tab.fill("#words", text)
    tab.keyboard.press("Enter")


def _english_left(tab):
    return [said for said in tab.evaluate(_SAID) if re.search("[A-Za-z]{2}", _NAMES.sub("", said))]


def _speak(tab, language):
    tab.select_option("#language", language)
    tab.wait_for_selector(f"html[lang={language}]")
    tab.wait_for_selector(f"#chat-first [aria-label='{page_texts(language)['conversation']}']")


def _wait_for_end(tab):
    tab.wait_for_selector("html:not(.busy)")


def test_a_conversation_about_an_image(visit, page, image, keep_screenshot, violations):
    tab = visit("ar", **_DESKTOP)
    words = page_texts("ar")
    assert tab.evaluate("document.documentElement.dir") == "rtl"
    assert _english_left(tab) == []
    assert violations(tab) == []
    keep_screenshot(tab, "opened_ar")

    tab.set_input_files("#file", image)
    tab.wait_for_selector("#question .attached img")
    page.chat.pause_s = 0.1
    _ask(tab, _QUESTION)
    _wait_for_text(tab, _ANSWERS, "كم")
    assert _english_left(tab) == []
    assert len(_bot(tab).text_content()) < len(_ANSWER), "the answer did not stream"
    _wait_for_text(tab, _ANSWERS, _ANSWER)
    _wait_for_text(tab, "#side-first .speed", "رمز/ث")
    _wait_for_end(tab)
    (asked,) = page.chat.asked
    assert [part["type"] for part in asked["messages"][0]["content"]] == ["image_url", "text"]
    assert _english_left(tab) == []
    assert violations(tab) == []
    question, answer = (
        tab.locator(f"#chat-first .{role} .bubble").bounding_box() for role in ("user", "assistant")
    )
    assert question["x"] < answer["x"], "the sides of a conversation are not mirrored"
    keep_screenshot(tab, "answered_ar")

    tab.get_by_role("button", name=words["good"]).click()
    _wait_for_text(tab, "#notice", words["saved_good"])
    (row,) = (page.feedback / "good.jsonl").read_text("utf-8").splitlines()
    assert json.loads(row)["conversations"][1]["value"] == _ANSWER

    page.chat.endless = True
    _ask(tab, _BENGALI)
    _wait_for_text(tab, _ANSWERS, "2 3")
    tab.click("#stop")
    _wait_for_text(tab, "#notice", words["stopped"])
    assert page.chat.left.wait(10)
    _wait_for_end(tab)

    page.chat.endless, page.chat.pause_s = False, 0.0
    tab.locator("#chat-first [data-do=again]").click()
    _wait_for_text(tab, "#chat-first .assistant .text", f"«{_BENGALI}»")
    _wait_for_end(tab)
    assert tab.locator("#chat-first .assistant").count() == 2

    _speak(tab, "bn")
    assert tab.evaluate("document.documentElement.dir") == "ltr"
    assert _english_left(tab) == []
    assert tab.locator("#chat-first .assistant").count() == 2

    width = tab.locator("#chat-first").bounding_box()["width"]
    tab.get_by_role("button", name=page_texts("bn")["edit"]).last.click()
    field = tab.locator("#chat-first .editing textarea")
    assert field.bounding_box()["width"] > 0.9 * width
    field.fill("আর নীল?")
    tab.get_by_role("button", name=page_texts("bn")["save"]).click()
    _wait_for_text(tab, "#chat-first .assistant .text", "«আর নীল?»")
    _wait_for_end(tab)
    assert page.chat.asked[-1]["messages"][-1]["content"] == "আর নীল?"

    _ask(tab, "refuse overloaded")
    _wait_for_text(tab, "#notice [role=alert]", "\u20687\u2069 সেকেন্ড")
    _wait_for_end(tab)
    tab.click("#open-settings")
    with tab.expect_download() as download:
        tab.click("#download")
    assert "আর নীল?" in download.value.path().read_text("utf-8")
    tab.click("#close-settings")
    tab.click("#new-chat")
    tab.wait_for_selector(".example")
    assert tab.locator("#chat-first .user").count() == 0
    assert (page.foreign, page.faults) == ([], [])


def test_two_models_on_a_telephone(visit, page, keep_screenshot, violations):
    tab = visit("bn", **_TELEPHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    keep_screenshot(tab, "opened_bn_telephone")
    tab.locator(".example").first.tap()
    _wait_for_text(tab, "#chat-first .assistant .text", "ছবিতে")
    _wait_for_end(tab)
    keep_screenshot(tab, "answered_bn_telephone")
    tab.tap("#open-settings")
    tab.get_by_label(page_texts("bn")["compare"]).check()
    tab.wait_for_selector("#chat-second .assistant", state="attached")
    assert _english_left(tab) == []
    assert violations(tab) == []
    keep_screenshot(tab, "settings_bn_telephone")
    tab.tap("#close-settings")
    _ask(tab, _BENGALI)
    for side in ("first", "second"):
        _wait_for_text(tab, f"#chat-{side} .assistant .text", f"«{_BENGALI}»")
    _wait_for_end(tab)
    assert {body["model"] for body in page.chat.asked[-2:]} == {"palo-7b", "palo-mobile"}
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.evaluate(_SMALL) == []
    assert violations(tab) == []
    keep_screenshot(tab, "compared_bn_telephone")


def test_a_question_is_echoed_before_the_server_hears_of_it_and_costs_two_requests(visit, page):
    tab = visit("ur", **_DESKTOP)
    asked, held = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.route("**/queue/join*", lambda route: held.append(route))
    _ask(tab, "کتنے؟")
    _wait_for_text(tab, "#chat-first .user .text", "کتنے؟")
    tab.wait_for_selector("#stop")
    assert page.chat.asked[-1:] == [] or "کتنے؟" not in str(page.chat.asked[-1])
    for route in held:
        route.continue_()
    tab.unroute("**/queue/join*")
    _wait_for_text(tab, "#chat-first .assistant .text", "«کتنے؟»")
    _wait_for_end(tab)
    assert len(asked) <= 3, asked


def test_what_a_model_writes_is_shown_and_does_nothing(visit, page, violations):
    tab = visit("en", **_DESKTOP)
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    _ask(tab, "say **two** <img src=gone.png onerror=document.title=1> ![x](gone2.png)")
    _wait_for_end(tab)
    _wait_for_text(tab, "#chat-first .assistant .text", "two")
    assert tab.locator("#chat-first .assistant strong").text_content() == "two"
    assert tab.locator(".message .text img").count() == 0
    assert [url for url in asked if "gone" in url] == []
    assert (tab.title(), violations(tab)) == ("PALO", [])


def test_a_conversation_outlives_a_reload_and_ends_with_the_login(visit, page, image):
    tab = visit("ja", **_DESKTOP)
    tab.set_input_files("#file", image)
    _ask(tab, "")
    _wait_for_text(tab, "#chat-first .assistant .text", page_texts("ja")["describe"])
    _wait_for_end(tab)
    tab.reload()
    tab.wait_for_selector("html[data-palo=ready]")
    assert tab.locator("#chat-first .user img").count() == 1
    assert tab.locator("#chat-first .assistant").count() == 1
    assert tab.locator("#chat-first [data-do=good]").count() == 1
    tab.click("#open-settings")
    tab.click("#log-out")
    tab.wait_for_selector("#key")
    assert tab.evaluate("localStorage.getItem('palo-chat')") is None


def test_an_image_that_cant_be_read_is_told_and_the_question_stays(visit, page, tmp_path):
    tab = visit("es", **_DESKTOP)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    tab.set_input_files("#file", tmp_path / "broken.png")
    _ask(tab, "¿Qué es?")
    _wait_for_text(tab, "#notice [role=alert]", page_texts("es").errors["image_unreadable"])
    _wait_for_end(tab)
    assert tab.locator(".message").count() == 0
    assert tab.input_value("#words") == "¿Qué es?"
    assert tab.locator("#question .attached").is_visible()


@pytest.mark.parametrize(("language", "font"), [("ur", "Noto Nastaliq Urdu"), ("ja", "CJK JP")])
def test_a_language_has_letters_of_its_own_form(visit, page, language, font):
    tab = visit(language, **_DESKTOP)
    for part in (".empty .about", ".example span"):
        used = fonts_of(tab, part)
        assert any(font in name for name in used), used


def fonts_of(tab, selector):
    """Returns the names of the fonts that a text is drawn in."""
    browser = tab.context.new_cdp_session(tab)
    browser.send("DOM.enable")
    browser.send("CSS.enable")
    root = browser.send("DOM.getDocument")["root"]["nodeId"]
    found = browser.send("DOM.querySelector", {"nodeId": root, "selector": selector})
    used = browser.send("CSS.getPlatformFontsForNode", {"nodeId": found["nodeId"]})
    return [font["familyName"] for font in used["fonts"]]


def test_images_come_from_the_camera_the_clipboard_and_by_dragging(visit, page):
    tab = visit("ur", **_DESKTOP)
    tab.click("#camera")
    tab.click("#camera-dialog .take")
    tab.wait_for_selector("#question .attached img")
    tab.wait_for_selector("#camera-dialog", state="detached")
    for kind in ("paste", "drop"):
        tab.reload()
        tab.wait_for_selector("html[data-palo=ready][lang=ur]")
        tab.evaluate(
            """async (kind) => {
              const canvas = Object.assign(document.createElement('canvas'), {width: 9, height: 9});
              const blob = await new Promise((done) => canvas.toBlob(done));
              const data = new DataTransfer();
              data.items.add(new File([blob], 'a.png', {type: 'image/png'}));
              const event = kind === 'paste'
                ? new ClipboardEvent(kind, {clipboardData: data, bubbles: true})
                : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
              document.querySelector('#head h1').dispatchEvent(event);
            }""",
            kind,
        )
        tab.wait_for_selector("#question .attached img")
    assert (page.foreign, page.faults) == ([], [])


def test_without_a_model_the_page_says_how_to_train_one_and_shows_it_by_itself(
    visit, page, violations, keep_screenshot
):
    models, page.chat.models = page.chat.models, ()
    try:
        tab = visit("ur", **_DESKTOP)
        told = page_texts("ur")["train_first"].format(command=isolated(TRAIN_COMMAND))
        _wait_for_text(tab, "#notice", told)
        assert violations(tab) == []
        keep_screenshot(tab, "without_model_ur")
    finally:
        page.chat.models = models
    tab.wait_for_selector("#model option[value=palo-7b]", state="attached")
    tab.wait_for_function("!document.querySelector('#notice').textContent.trim()")
    _ask(tab, _BENGALI)
    _wait_for_text(tab, _ANSWERS, _BENGALI)
