"""The chat page in a real browser: Arabic and Bengali, a large screen and a telephone."""

import json
import re

from palo import languages
from palo.webui.texts import page_texts

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
    const hidden = !part.checkVisibility() || part.closest('[data-testid=user], [data-testid=bot]');
    if (hidden || part.closest('ul[role=listbox]')) continue;
    for (const name of ['aria-label', 'title', 'placeholder', 'alt'])
      if (part.getAttribute(name)) texts.push(part.getAttribute(name));
    for (const node of part.childNodes)
      if (node.nodeType === 3 && !['STYLE', 'SCRIPT', 'TEXTAREA'].includes(part.tagName))
        texts.push(node.textContent);
  }
  return texts.map((text) => text.trim()).filter(Boolean);
}"""
_NAMES = re.compile(r"PALO|palo-7b|palo-mobile")


def _bot(tab):
    return tab.locator("#chat-first [data-testid=bot]").last


def _wait_for_text(tab, selector, text):
    tab.wait_for_function(
        "([selector, text]) => [...document.querySelectorAll(selector)]"
        ".at(-1)?.textContent.includes(text)",
        arg=[selector, text],
    )


def _ask(tab, text):
    tab.fill("#question textarea", text)
    tab.keyboard.press("Enter")


def _english_left(tab):
    return [said for said in tab.evaluate(_SAID) if re.search("[A-Za-z]{2}", _NAMES.sub("", said))]


def _speak(tab, language):
    tab.click("#language input")
    tab.get_by_role("option", name=languages.get(language).native_name).click()
    tab.wait_for_selector(f"html[lang={language}]")
    _wait_for_text(tab, "#new-chat", page_texts(language)["new_chat"])


def test_a_conversation_about_an_image(visit, page, image, keep_screenshot):
    tab = visit("ar", **_DESKTOP)
    words = page_texts("ar")
    assert tab.evaluate("document.documentElement.dir") == "rtl"
    assert _english_left(tab) == []
    keep_screenshot(tab, "opened_ar")

    tab.set_input_files("#question input[type=file]", image)
    tab.wait_for_selector("#question img")
    page.chat.pause_s = 0.1
    _ask(tab, _QUESTION)
    _wait_for_text(tab, "#chat-first [data-testid=bot]", "كم")
    assert _english_left(tab) == []
    assert len(_bot(tab).text_content()) < len(_ANSWER), "the answer did not stream"
    _wait_for_text(tab, "#chat-first [data-testid=bot]", _ANSWER)
    _wait_for_text(tab, ".speed", "رمز/ث")
    tab.wait_for_selector("#stop:disabled")
    (asked,) = page.chat.asked
    assert [part["type"] for part in asked["messages"][0]["content"]] == ["image_url", "text"]
    assert tab.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=bot] .message-content')).textAlign"
    ) in ("start", "right")
    assert _english_left(tab) == []
    keep_screenshot(tab, "answered_ar")

    tab.get_by_role("button", name=words["good"]).click()
    _wait_for_text(tab, "#notice", words["saved_good"])
    (row,) = (page.feedback / "good.jsonl").read_text("utf-8").splitlines()
    assert json.loads(row)["conversations"][1]["value"] == _ANSWER

    page.chat.endless = True
    _ask(tab, _BENGALI)
    _wait_for_text(tab, "#chat-first [data-testid=bot]", "2 3")
    tab.click("#stop")
    _wait_for_text(tab, "#notice", words["stopped"])
    assert page.chat.left.wait(10)

    page.chat.endless, page.chat.pause_s = False, 0.0
    tab.click("#regenerate")
    _wait_for_text(tab, "#chat-first [data-testid=bot]", f"«{_BENGALI}»")
    assert tab.locator("#chat-first [data-testid=bot]").count() == 2

    _speak(tab, "bn")
    assert tab.evaluate("document.documentElement.dir") == "ltr"
    assert _english_left(tab) == []
    assert tab.locator("#chat-first [data-testid=bot]").count() == 2

    tab.get_by_role("button", name=page_texts("bn")["edit"]).last.click()
    tab.locator("#chat-first textarea").fill("আর নীল?")
    tab.get_by_role("button", name=page_texts("bn")["save"]).click()
    _wait_for_text(tab, "#chat-first [data-testid=bot]", "«আর নীল?»")
    assert page.chat.asked[-1]["messages"][-1]["content"] == "আর নীল?"

    _ask(tab, "refuse overloaded")
    _wait_for_text(tab, "#notice [role=alert]", "\u20687\u2069 সেকেন্ড")
    with tab.expect_download() as download:
        tab.click("#download")
    assert "আর নীল?" in download.value.path().read_text("utf-8")
    tab.click("#new-chat")
    tab.wait_for_selector(".example")
    assert tab.locator("#chat-first [data-testid=user]").count() == 0
    assert (page.foreign, page.faults) == ([], [])


def test_two_models_on_a_telephone(visit, page, keep_screenshot):
    tab = visit("bn", **_TELEPHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    keep_screenshot(tab, "opened_bn_telephone")
    tab.locator(".example").first.tap()
    _wait_for_text(tab, "#chat-first [data-testid=bot]", "ছবিতে")
    keep_screenshot(tab, "answered_bn_telephone")
    tab.locator("#settings > button").tap()
    tab.get_by_label(page_texts("bn")["compare"]).check()
    tab.wait_for_selector("#chat-second [data-testid=bot]")
    assert _english_left(tab) == []
    _ask(tab, _BENGALI)
    for side in ("first", "second"):
        _wait_for_text(tab, f"#chat-{side} [data-testid=bot]", f"«{_BENGALI}»")
    assert {body["model"] for body in page.chat.asked[-2:]} == {"palo-7b", "palo-mobile"}
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    keep_screenshot(tab, "compared_bn_telephone")


def test_images_come_from_the_camera_the_clipboard_and_by_dragging(visit, page):
    tab = visit("ur", **_DESKTOP)
    tab.click("#camera")
    tab.click("#camera-dialog .take")
    tab.wait_for_selector("#question img")
    tab.wait_for_selector("#camera-dialog", state="detached")
    for kind in ("paste", "drop"):
        tab.reload()
        tab.wait_for_selector("html[data-palo][lang=ur]")
        tab.wait_for_selector("#question input[type=file]", state="attached")
        tab.evaluate(
            """async (kind) => {
              const canvas = Object.assign(document.createElement('canvas'), {width: 9, height: 9});
              const blob = await new Promise((done) => canvas.toBlob(done));
              const data = new DataTransfer();
              data.items.add(new File([blob], 'a.png', {type: 'image/png'}));
              const event = kind === 'paste'
                ? new ClipboardEvent(kind, {clipboardData: data, bubbles: true})
                : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
              document.querySelector('#title').dispatchEvent(event);
            }""",
            kind,
        )
        tab.wait_for_selector("#question img")
    assert (page.foreign, page.faults) == ([], [])
