"""Builds the page: its parts, and which method answers to what people do with them."""

import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.examples import PageExample
from palo.serve.chat_page.handlers import ChatHandlers
from palo.serve.chat_page.layout import ChatLayout, lay_out
from palo.serve.chat_page.settings import PageSettings
from palo.webui.request import LANGUAGE_COOKIE
from palo.webui.texts import chosen_language, page_texts
from palo.webui.visitors import KeyLogins

_KEEP_UPLOADS_S = 24 * 3600
_LOOK_EVERY_S = 3600
_DEFAULT = "en"


def build_page(
    settings: PageSettings, visitors: KeyLogins, examples: tuple[PageExample, ...]
) -> gr.Blocks:
    """Returns the page.

    Args:
        settings: Of the page.
        visitors: Who has logged in.
        examples: What can be clicked on.
    """
    handlers = ChatHandlers(settings, visitors, examples)
    with gr.Blocks(
        title="PALO",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(_LOOK_EVERY_S, _KEEP_UPLOADS_S),
    ) as blocks:
        layout = lay_out(settings, page_texts(_DEFAULT), examples)
        talks = (gr.State(Chat()), gr.State(Chat()))
        _wire_opening(blocks, layout, handlers, examples)
        _wire_talk(layout, handlers, talks)
        _wire_tools(layout, handlers, talks)
    blocks.queue(api_open=False, default_concurrency_limit=None)
    return blocks


def _on(listen: Callable[..., Any], *args: Any, **settings: Any) -> Any:  # noqa: ANN401
    """Adds a listener that no client but the page can find, without a spinner over its outputs."""
    return listen(*args, show_progress="hidden", api_visibility="private", **settings)


def _wire_opening(
    blocks: gr.Blocks, layout: ChatLayout, handlers: ChatHandlers, examples: tuple[PageExample, ...]
) -> None:
    def speak(code: str) -> list[Any]:
        words = page_texts(code)
        asked = [gr.update(value=example.question(code)) for example in examples]
        as_asked = (words["as_asked"], "")
        answers = gr.update(choices=[as_asked, *layout.answer_language.choices[1:]])
        return [*layout.relabelled(words), *asked, answers]

    def open_page(request: gr.Request) -> list[Any]:
        cookie = request.cookies.get(LANGUAGE_COOKIE)
        code = chosen_language(cookie, request.headers.get("accept-language"))
        return [code, *speak(code)]

    spoken = [*(part for part, _ in layout.named), *layout.examples, layout.answer_language]
    opened = _on(blocks.load, open_page, None, [layout.language, *spoken])
    shown = _on(opened.then, None, layout.language, None, js="code => palo.speak(code)")
    lists = [layout.model, layout.second_model, layout.notice]
    listed = _on(shown.then, handlers.models, layout.language, lists)
    _on(listed.then, None, None, None, js="() => palo.ready()")
    _on(
        layout.language.input,
        speak,
        layout.language,
        spoken,
        js="code => { palo.speak(code); return code }",
    )


def _wire_talk(
    layout: ChatLayout, handlers: ChatHandlers, talks: tuple[gr.State, gr.State]
) -> None:
    chosen = [layout.answer_language, layout.temperature, layout.length, layout.language]
    settled = [layout.stop, layout.example_row]

    def answers_after(asked: Any) -> None:  # noqa: ANN401 - Gradio's type of a listener
        _on(asked.then, lambda: gr.update(interactive=True), None, layout.stop)
        outputs = [
            [t, c, s, layout.notice]
            for t, c, s in zip(talks, layout.chats, layout.speeds, strict=True)
        ]
        first = _on(asked.then, handlers.answer, [talks[0], layout.model, *chosen], outputs[0])
        second = _on(
            asked.then,
            handlers.answer_beside,
            [layout.compare, talks[1], layout.second_model, *chosen],
            outputs[1],
        )
        for answered in (first, second):
            _on(answered.then, handlers.settle, talks[0], settled)

    both = list(talks)
    field = [layout.question, layout.notice]
    asked = _on(
        layout.question.submit,
        handlers.ask,
        [layout.question, layout.compare, *both, layout.language],
        [*both, *field],
    )
    answers_after(asked)
    for number, button in enumerate(layout.examples):
        handler = functools.partial(handlers.ask_example, number)
        answers_after(_on(button.click, handler, layout.language, both))
    compared = [layout.compare, *both]
    answers_after(_on(layout.regenerate.click, handlers.reopen, compared, both))
    for chat, edit in zip(layout.chats, (handlers.edit, handlers.edit_beside), strict=True):
        answers_after(_on(chat.retry, handlers.reopen, compared, both))
        answers_after(_on(chat.edit, edit, [*compared, layout.language], [*both, layout.notice]))
    _on(layout.stop.click, handlers.stop, None, None)
    anew = [*both, *layout.chats, *layout.speeds, *field]
    cleared = _on(layout.new_chat.click, handlers.start_anew, None, anew)
    _on(cleared.then, handlers.settle, talks[0], settled)


def _wire_tools(
    layout: ChatLayout, handlers: ChatHandlers, talks: tuple[gr.State, gr.State]
) -> None:
    _on(
        layout.compare.input,
        handlers.compare,
        [layout.compare, *talks, layout.language],
        [talks[1], layout.chats[1], layout.second, layout.second_model],
    )
    for chat, talk in zip(layout.chats, talks, strict=True):
        judged = [talk, layout.answer_language, layout.language]
        _on(chat.like, handlers.judge, judged, layout.notice)
    written = _on(
        layout.download.click, handlers.write, [talks[0], layout.language], layout.written
    )
    _on(written.then, None, layout.written, None, js="text => palo.save(text)")
    _on(layout.camera.click, None, None, None, js="() => palo.takeImage()")
    _on(layout.log_out.click, None, None, None, js="() => palo.logOut()")
