"""What our pages in a browser share: guards, fonts and scripts, nothing from elsewhere."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import fastapi
import gradio as gr
import uvicorn
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp

from palo import languages
from palo.errors import ConfigError
from palo.observability.boundary import Boundary
from palo.observability.logs import start_logging
from palo.security.access import LoopbackOnly, is_loopback
from palo.security.http_limits import BodyBounds, BodyLimit
from palo.webui.authentication import AuthenticationGate
from palo.webui.belongings import SessionOwnership
from palo.webui.hardening import as_if_launched, make_private
from palo.webui.head import LongerHead
from palo.webui.quota_settings import QuotaSettings
from palo.webui.quotas import Quotas
from palo.webui.responses import Responses
from palo.webui.same_origin import SameOrigin
from palo.webui.sessions import forgetting_sessions
from palo.webui.texts import page_texts
from palo.webui.visitor_names import VisitorNames
from palo.webui.visitors import Authenticator

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
    build: Callable[[], gr.Blocks],
    path: str,
    *,
    door: Authenticator | None,
    head: str,
    style: str = "",
    public: Sequence[Path] = (),
    max_file_bytes: int = 1,
    quotas: QuotaSettings | None = None,
) -> None:
    """Mounts a page of Gradio behind its guards.

    Args:
        app: The application, with all its own routes.
        build: Makes the page.
        path: Where the page is in it.
        door: Who may come in; None if everybody may who reaches this machine's loopback.
        head: HTML for the beginning of the page's head.
        style: CSS in addition to that of all pages.
        public: Folders with files that the page shows to everybody.
        max_file_bytes: Largest file that can be uploaded.
        quotas: How much of it one visitor may use.
    """
    make_private(public)
    page = build()
    quotas = quotas or QuotaSettings()
    page.state_session_capacity = quotas.all_sessions
    gr.mount_gradio_app(
        app,
        page,
        path,
        app_kwargs={
            "middleware": [Middleware(LongerHead, head=head)],
            "docs_url": None,
            "redoc_url": None,
        },
        theme=gr.themes.Soft(primary_hue="teal", font=_FONTS, font_mono=_MONO),
        css=(_ASSETS / "page.css").read_text(encoding="utf-8") + style,
        max_file_size=max_file_bytes,
        show_error=False,
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )
    as_if_launched(page)
    mounted = app.router.routes[-1]
    assert isinstance(mounted, Mount)
    # Around all of Gradio: middleware of its own would answer other sites before ours. Each guard
    # stands behind the one below it.
    guarded: ASGIApp = SessionOwnership(mounted.app, public)
    guarded = Quotas(
        guarded,
        quotas,
        visitor_of=VisitorNames(
            by_login=door is not None, trust_forwarded_for=quotas.trust_forwarded_for
        ),
        max_file_bytes=max_file_bytes,
        forget_session=forgetting_sessions(page),
    )
    guarded = AuthenticationGate(guarded, door, trust_forwarded_for=quotas.trust_forwarded_for)
    guarded = SameOrigin(guarded, is_keyless=door is None)
    mounted.app = Responses(guarded)


def head_of(more: Mapping[str, Mapping[str, str]] | None = None, script: str = "") -> str:
    """Returns the scripts that run before a page is drawn.

    Args:
        more: Texts by name, by language, in addition to those of the chat page.
        script: JavaScript that runs behind that of all pages.
    """
    spoken = {
        language.code: {
            "direction": language.direction,
            **page_texts(language.code).texts,
            **(more or {}).get(language.code, {}),
        }
        for language in languages.every()
    }
    texts = json.dumps(spoken, ensure_ascii=False).replace("<", "\\u003c")
    scripts = [(_ASSETS / "page.js").read_text(encoding="utf-8"), *([script] if script else [])]
    own = "".join(f"<script>{code}</script>" for code in scripts)
    return f"<script>window.paloTexts = {texts};</script>{own}"


def serve_alone(app: fastapi.FastAPI, *, host: str, port: int, is_keyless: bool) -> None:
    """Serves an application with a page until it is stopped.

    Args:
        app: The application.
        host: Address to listen on.
        port: Port to listen on.
        is_keyless: Whether nobody has to log in.

    Raises:
        ConfigError: If others than this machine could reach a page without a login.
    """
    if is_keyless and not is_loopback(host):
        raise ConfigError(
            "everybody who reaches this page could use it: nobody has to log in",
            seen=host,
            fix="Use 127.0.0.1, or ask for keys.",
        )
    start_logging()
    # As at the endpoint's edge; the last one is the outermost.
    app.add_middleware(BodyLimit, bounds=BodyBounds())
    if is_keyless:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(Boundary)
    uvicorn.run(app, host=host, port=port, log_level="warning")
