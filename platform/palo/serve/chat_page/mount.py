"""Builds the chat page, and mounts it in an application or serves it alone."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastapi
import gradio as gr

from palo import config
from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.examples import PageExample, draw_examples
from palo.serve.chat_page.handlers import ChatHandlers
from palo.serve.chat_page.layout import ChatLayout, lay_out
from palo.serve.chat_page.settings import PageSettings
from palo.webui.mounting import head_of, mount_blocks, serve_alone
from palo.webui.request import LANGUAGE_COOKIE
from palo.webui.texts import chosen_language, page_texts
from palo.webui.visitors import KeyLogins

_KEEP_UPLOADS_S = 24 * 3600
_LOOK_EVERY_S = 3600
_DEFAULT = "en"


def mount_page(app: fastapi.FastAPI, settings: PageSettings, path: str = "/") -> None:
    """Mounts the page; to be called after the application's own routes were added.

    One process serves all requests of a visitor: it holds the logins.

    Args:
        app: The application.
        settings: Settings of the page.
        path: Where the page is in it.

    Raises:
        ConfigError: If the settings have faults.
    """
    config.check(settings)
    images = Path(tempfile.mkdtemp(prefix="palo-page-"))
    visitors = KeyLogins(settings.endpoint)
    examples = draw_examples(images)
    mount_blocks(
        app,
        lambda: build_page(settings, visitors, examples),
        path,
        authenticator=visitors if settings.login else None,
        head=head_of(),
        public=[images],
        max_file_bytes=settings.max_image_bytes,
        quotas=settings.quotas,
        proxy=settings.proxy,
    )


def page_app(settings: PageSettings) -> fastapi.FastAPI:
    """Returns an application that is the page alone.

    Args:
        settings: Settings of the page.

    Raises:
        ConfigError: If the settings have faults.
    """
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mount_page(app, settings)
    return app


def serve_page(settings: PageSettings, *, host: str, port: int) -> None:
    """Serves the page alone until it is stopped.

    Args:
        settings: Settings of the page.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        ConfigError: If the settings have faults, or others than this machine could reach a page
            without a login.
    """
    serve_alone(page_app(settings), host=host, port=port, is_keyless=not settings.login)


def build_page(
    settings: PageSettings, visitors: KeyLogins, examples: tuple[PageExample, ...]
) -> gr.Blocks:
    """Returns the page.

    Args:
        settings: Settings of the page.
        visitors: The logins.
        examples: Examples to click on.
    """
    handlers = ChatHandlers(settings, visitors, examples)
    with gr.Blocks(
        title="PALO",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(_LOOK_EVERY_S, _KEEP_UPLOADS_S),
    ) as blocks:
        layout = lay_out(settings, page_texts(_DEFAULT), examples)
        chats = (gr.State(Chat()), gr.State(Chat()))
        _wire_opening(blocks, layout, handlers, examples)
        _wire_chat(layout, handlers, chats)
        _wire_tools(layout, handlers, chats)
    blocks.queue(api_open=False, default_concurrency_limit=None)
    return blocks


def _on(listen: Callable[..., Any], *args: Any, **settings: Any) -> Any:  # noqa: ANN401
    """Adds a listener that only the page can call, without a spinner over its outputs."""
    return listen(*args, show_progress="hidden", api_visibility="private", **settings)


def _wire_opening(
    blocks: gr.Blocks, layout: ChatLayout, handlers: ChatHandlers, examples: tuple[PageExample, ...]
) -> None:
    def speak(code: str) -> list[Any]:
        texts = page_texts(code)
        asked = [gr.update(value=example.question(code)) for example in examples]
        as_asked = (texts["as_asked"], "")
        answers = gr.update(choices=[as_asked, *layout.answer_language.choices[1:]])
        return [*layout.relabelled(texts), *asked, answers]

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


def _wire_chat(
    layout: ChatLayout, handlers: ChatHandlers, chats: tuple[gr.State, gr.State]
) -> None:
    chosen = [layout.answer_language, layout.temperature, layout.length, layout.language]
    settled = [layout.stop, layout.example_row]

    def answers_after(asked: Any) -> None:  # noqa: ANN401 - Gradio's type of a listener
        _on(asked.then, lambda: gr.update(interactive=True), None, layout.stop)
        outputs = [
            [t, c, s, layout.notice]
            for t, c, s in zip(chats, layout.chatbots, layout.speeds, strict=True)
        ]
        first = _on(asked.then, handlers.answer, [chats[0], layout.model, *chosen], outputs[0])
        second = _on(
            asked.then,
            handlers.answer_beside,
            [layout.compare, chats[1], layout.second_model, *chosen],
            outputs[1],
        )
        for answered in (first, second):
            _on(answered.then, handlers.settle, chats[0], settled)

    both = list(chats)
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
    for chatbot, edit in zip(layout.chatbots, (handlers.edit, handlers.edit_beside), strict=True):
        answers_after(_on(chatbot.retry, handlers.reopen, compared, both))
        answers_after(_on(chatbot.edit, edit, [*compared, layout.language], [*both, layout.notice]))
    _on(layout.stop.click, handlers.stop, None, None)
    new = [*both, *layout.chatbots, *layout.speeds, *field]
    cleared = _on(layout.new_chat.click, handlers.start_new, None, new)
    _on(cleared.then, handlers.settle, chats[0], settled)


def _wire_tools(
    layout: ChatLayout, handlers: ChatHandlers, chats: tuple[gr.State, gr.State]
) -> None:
    _on(
        layout.compare.input,
        handlers.compare,
        [layout.compare, *chats, layout.language],
        [chats[1], layout.chatbots[1], layout.second, layout.second_model],
    )
    for chatbot, chat in zip(layout.chatbots, chats, strict=True):
        rated = [chat, layout.answer_language, layout.language]
        _on(chatbot.like, handlers.rate, rated, layout.notice)
    written = _on(
        layout.download.click, handlers.write, [chats[0], layout.language], layout.written
    )
    _on(written.then, None, layout.written, None, js="text => palo.save(text)")
    _on(layout.camera.click, None, None, None, js="() => palo.takeImage()")
    _on(layout.log_out.click, None, None, None, js="() => palo.logOut()")
