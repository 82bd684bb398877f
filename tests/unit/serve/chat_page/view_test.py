"""A chat as the page shows it: in its languages, with nothing in it but text."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image

from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.handlers import ChatHandlers
from palo.serve.chat_page.settings import PageSettings
from palo.serve.chat_page.view import ChatView
from palo.webui.texts import page_texts

_EVIL = "<img src=x onerror=alert(1)>\"'</script>"


@pytest.fixture(params=["PNG", "AVIF", "TIFF", "WEBP"])
def image(tmp_path, request):
    path = tmp_path / "a.img"
    Image.new("RGB", (8, 8), "red").save(path, request.param)
    return path


def test_a_question_shows_its_image_whatever_its_format(image):
    chat = Chat().with_question("?", image)
    assert 'src="data:image/png;base64,' in ChatView(()).log(chat, "first", page_texts("ur"))
    (message,) = chat.request_messages()
    assert message.images[0].media_type.startswith("image/")


def test_an_image_that_is_gone_is_told(tmp_path):
    chat = Chat().with_question("?", tmp_path / "none.png")
    assert page_texts("bn")["image_gone"] in ChatView(()).log(chat, "first", page_texts("bn"))


def test_each_text_has_the_language_that_the_server_detected():
    chat = Chat().with_question("これは何？", None).with_answer("円です。", "m", "ja")
    made = ChatView(()).log(chat, "first", page_texts("zh"))
    assert made.count('dir="auto" lang="ja"') == 2


def test_nothing_in_a_chat_is_markup():
    view, texts = ChatView(()), page_texts("en")
    chat = Chat().with_question(_EVIL, None).with_answer(_EVIL, _EVIL, "xx")
    for made in (
        view.log(chat, "first", texts),
        view.coming(_EVIL, _EVIL, None, texts, _EVIL),
        view.speed(_EVIL),
    ):
        assert "<img" not in made
        assert "</script" not in made


def test_what_the_script_is_told_is_no_markup_either(tmp_path):
    """Regression: Gradio showed it in a hidden part, where an image of an answer was loaded."""
    handlers = ChatHandlers(PageSettings(feedback=tmp_path), None, ())
    chat = Chat().with_question(_EVIL, None).with_answer(_EVIL, "m", "en")
    written = handlers.write(chat, SimpleNamespace(_data={}))
    assert not set("<>&") & set(written)
    assert _EVIL in json.loads(written)


def test_only_what_can_be_done_has_a_button():
    view, texts = ChatView(()), page_texts("en")
    asked = Chat().with_question("?", None)
    assert 'data-do="again"' in view.log(asked, "first", texts)
    assert 'data-do="good"' not in view.log(asked, "first", texts)
    assert 'data-do="good"' in view.log(asked.with_answer("!", "m", None), "first", texts)
