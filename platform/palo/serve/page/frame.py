"""What our pages in a browser share: their gate, fonts and scripts, and nothing from elsewhere."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import fastapi
import gradio as gr
import uvicorn
from starlette.middleware import Middleware
from starlette.routing import Mount

from palo import languages
from palo.serve.page.gate import Door, Gate
from palo.serve.page.quota_settings import QuotaSettings
from palo.serve.page.quotas import Quotas
from palo.serve.page.sessions import forgetting_sessions
from palo.serve.page.visitor_names import VisitorNames
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


def mount_blocks(
    app: fastapi.FastAPI,
    page: gr.Blocks,
    path: str,
    *,
    door: Door | None,
    head: str,
    style: str = "",
    allowed_paths: Sequence[str] = (),
    max_file_bytes: int = 1,
    quotas: QuotaSettings | None = None,
) -> None:
    """Mounts a page of Gradio behind the gate.

    Args:
        app: The application, with all its own routes.
        page: The page.
        path: Where the page is in it.
        door: Who may come in; None if everybody may.
        head: HTML for the beginning of the page's head.
        style: CSS in addition to that of all pages.
        allowed_paths: Folders with files that the page shows.
        max_file_bytes: Largest file that can be uploaded.
        quotas: How much of it one visitor may use.
    """
    quotas = quotas or QuotaSettings()
    page.state_session_capacity = quotas.all_sessions
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gate = Middleware(Gate, visitors=door, head=head)
    gr.mount_gradio_app(
        app,
        page,
        path,
        app_kwargs={"middleware": [gate], "docs_url": None, "redoc_url": None},
        theme=gr.themes.Soft(primary_hue="teal", font=_FONTS, font_mono=_MONO),
        css=(_ASSETS / "page.css").read_text(encoding="utf-8") + style,
        allowed_paths=list(allowed_paths),
        max_file_size=max_file_bytes,
        show_error=False,
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )
    mounted = app.router.routes[-1]
    assert isinstance(mounted, Mount)
    mounted.app = Quotas(
        mounted.app,
        quotas,
        visitor_of=VisitorNames(door, trust_forwarded_for=quotas.trust_forwarded_for),
        max_file_bytes=max_file_bytes,
        forget_session=forgetting_sessions(page),
    )


def head_of(more: Mapping[str, Mapping[str, str]] | None = None, script: str = "") -> str:
    """Returns the scripts that run before a page is drawn.

    Args:
        more: Texts by name, by language, in addition to those of the chat page.
        script: JavaScript that runs behind that of all pages.
    """
    spoken = {
        language.code: {
            "direction": language.direction,
            **words_of(language.code).texts,
            **(more or {}).get(language.code, {}),
        }
        for language in languages.every()
    }
    texts = json.dumps(spoken, ensure_ascii=False).replace("<", "\\u003c")
    scripts = [(_ASSETS / "page.js").read_text(encoding="utf-8"), *([script] if script else [])]
    own = "".join(f"<script>{code}</script>" for code in scripts)
    return f"<script>window.paloTexts = {texts};</script>{own}"


def serve_alone(app: fastapi.FastAPI, *, host: str, port: int) -> None:
    """Serves an application with a page until it is stopped.

    Args:
        app: The application.
        host: Address to listen on.
        port: Port to listen on.
    """
    uvicorn.run(app, host=host, port=port, log_level="warning")
