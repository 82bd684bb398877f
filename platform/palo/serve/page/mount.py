"""Puts the chat page into an ASGI application, or serves it alone."""

import json
import os
import tempfile
from pathlib import Path

import fastapi
import gradio as gr
import uvicorn
from starlette.middleware import Middleware

from palo import config, languages
from palo.serve.page.examples import draw_examples
from palo.serve.page.gate import Gate, Visitors
from palo.serve.page.settings import PageSettings
from palo.serve.page.wiring import build_page
from palo.serve.page.words import words_of

_ASSETS = Path(__file__).parent / "assets"
# What the machine has; the names are those of the fonts that Debian packages for our scripts.
_FONTS = (
    "system-ui",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Noto Nastaliq Urdu",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "sans-serif",
)
_MONO = ("ui-monospace", "Noto Sans Mono", "monospace")


def mount_page(app: fastapi.FastAPI, settings: PageSettings, path: str = "/") -> None:
    """Mounts the page; to be called after the application's own routes were added.

    One process at a time can serve the page of a visitor: it remembers who has logged in.

    Args:
        app: The application.
        settings: Of the page.
        path: Where the page is in it.

    Raises:
        ConfigError: If the settings have faults.
    """
    config.check(settings)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    pictures = Path(tempfile.mkdtemp(prefix="palo-page-"))
    visitors = Visitors(settings.endpoint)
    page = build_page(settings, visitors, draw_examples(pictures))
    gate = Middleware(Gate, visitors=visitors if settings.login else None, head=_head())
    gr.mount_gradio_app(
        app,
        page,
        path,
        app_kwargs={"middleware": [gate], "docs_url": None, "redoc_url": None},
        theme=gr.themes.Soft(primary_hue="teal", font=_FONTS, font_mono=_MONO),
        css=(_ASSETS / "page.css").read_text(encoding="utf-8"),
        allowed_paths=[str(pictures)],
        max_file_size=settings.max_picture_bytes,
        show_error=False,
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )


def serve_page(settings: PageSettings, *, host: str, port: int) -> None:
    """Serves the page alone until it is stopped.

    Args:
        settings: Of the page.
        host: Address to listen on.
        port: Port to listen on.
    """
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mount_page(app, settings)
    uvicorn.run(app, host=host, port=port, log_level="warning")


def _head() -> str:
    """Returns the scripts that run before the page is drawn."""
    spoken = {
        language.code: {"direction": language.direction, **words_of(language.code).texts}
        for language in languages.every()
    }
    texts = json.dumps(spoken, ensure_ascii=False).replace("<", "\\u003c")
    script = (_ASSETS / "page.js").read_text(encoding="utf-8")
    return f"<script>window.paloTexts = {texts};</script><script>{script}</script>"
