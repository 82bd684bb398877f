"""Builds the chat page, and mounts it in an application or serves it alone."""

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
from palo.serve.chat_page.settings import PageSettings
from palo.serve.chat_page.view import render_composer, render_head
from palo.webui.mounting import head_of, mount_blocks, private_folder, serve_alone
from palo.webui.visitors import KeyLogins

_ASSETS = Path(__file__).parent / "assets"
_KEEP_UPLOADS_S = 24 * 3600
_LOOK_EVERY_S = 3600
_DEFAULT = "en"
# Gradio takes an event of a part from the names that its script has in quotes.
_CONNECT = """palo.chat.connect(trigger, upload, ["begin", "ask", "stop", "rate", "write"])"""


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
    images = Path(tempfile.mkdtemp(prefix="examples-", dir=private_folder().name))
    visitors = KeyLogins(settings.endpoint)
    examples = draw_examples(images)
    mount_blocks(
        app,
        lambda: build_page(settings, visitors, examples),
        path,
        authenticator=visitors if settings.login else None,
        head=head_of(script=(_ASSETS / "chat.js").read_text(encoding="utf-8")),
        style=(_ASSETS / "chat.css").read_text(encoding="utf-8"),
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
    """Returns the page: HTML of our own, over Gradio's uploads, queue and streams.

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
        _html("head", render_head(_DEFAULT))
        logs, comings = [], []
        for side in ("first", "second"):
            with gr.Column(elem_id=f"side-{side}", elem_classes="side"):
                logs.append(_html(f"chat-{side}"))
                comings.append(_html(f"coming-{side}"))
        notice = _html("notice")
        told = gr.HTML("", visible="hidden")
        written = gr.HTML("", visible="hidden")
        # The page's script calls all handlers by this part's events.
        composer = gr.HTML(
            html_template=render_composer(settings, _DEFAULT),
            value="x",
            js_on_load=_CONNECT,
            elem_id="composer",
            padding=False,
            apply_default_css=False,
        )
        chats = [gr.State(Chat()), gr.State(Chat())]
        shown = [*chats, *logs, *comings, notice, told]
        opened = _on(composer.begin, handlers.begin, None, shown)
        _on(opened.then, None, told, None, js="told => palo.chat.opened(told)")
        asked = _on(composer.ask, handlers.ask, chats, shown)
        _on(asked.then, None, told, None, js="told => palo.chat.settled(told)")
        _on(composer.stop, handlers.stop, None, None)
        _on(composer.rate, handlers.rate, chats, notice)
        saved = _on(composer.write, handlers.write, chats[0], written)
        _on(saved.then, None, written, None, js="text => palo.save(JSON.parse(text))")
    blocks.queue(api_open=False, default_concurrency_limit=None)
    return blocks


def _html(name: str, value: str = "") -> gr.HTML:
    return gr.HTML(value, elem_id=name, padding=False, js_on_load=None, apply_default_css=False)


def _on(listen: Callable[..., Any], *args: Any, **settings: Any) -> Any:  # noqa: ANN401
    """Adds a listener that only the page can call, without a spinner over its outputs."""
    return listen(*args, show_progress="hidden", api_visibility="private", **settings)
