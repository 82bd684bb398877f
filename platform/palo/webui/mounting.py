"""Mounts a page of Gradio behind its guards, and serves it.

Gradio checks the paths that visitors send only if `launch()` was called, and keeps its files in a
folder that every user of the machine can read: both are put right here for pages that are mounted.
A test fails when another version of Gradio changes either.
"""

import functools
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import fastapi
import gradio as gr
import gradio.routes
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo import languages
from palo.errors import ConfigError
from palo.observability.boundary import Boundary
from palo.observability.logs import start_logging
from palo.security.access import LoopbackOnly, is_loopback
from palo.security.forwarded import ProxySettings, PublicAddress
from palo.security.http_limits import BodyBounds, BodyLimit
from palo.webui.authentication import Authentication
from palo.webui.browser_security import ResponseHeaders, SameOrigin
from palo.webui.ownership import SessionOwnership
from palo.webui.paths import KnownPaths
from palo.webui.quotas import Quotas
from palo.webui.texts import page_texts
from palo.webui.usage import QuotaSettings
from palo.webui.visitors import Authenticator, VisitorNames

_ASSETS = Path(__file__).parent / "assets"
# The machine's own fonts; page.css names those of each language.
_FONTS = ("system-ui", "Noto Sans", "sans-serif")
# What a messenger would show for a link to the page: Gradio advertises itself there.
_PREVIEW = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>')
_MONO = ("ui-monospace", "Noto Sans Mono", "monospace")


def mount_blocks(
    app: fastapi.FastAPI,
    build: Callable[[], gr.Blocks],
    path: str,
    *,
    authenticator: Authenticator | None,
    head: str,
    style: str = "",
    max_file_bytes: int = 1,
    quotas: QuotaSettings | None = None,
    proxy: ProxySettings | None = None,
) -> None:
    """Mounts a page of Gradio behind its guards.

    Args:
        app: The application, with all its own routes.
        build: Makes the page.
        path: Where the page is in it.
        authenticator: Checks keys and tokens; None for a page without a login, on loopback alone.
        head: HTML for the beginning of the page's head.
        style: CSS in addition to that of all pages.
        max_file_bytes: Largest file that can be uploaded.
        quotas: How much of it one visitor may use.
        proxy: The reverse proxy in front of the page; none is believed without a login.
    """
    make_private()
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
    # Around all of Gradio, whose own middleware would answer other sites before ours. A request
    # passes the guards from the last to the first.
    guarded: ASGIApp = SessionOwnership(mounted.app)
    guarded = Quotas(
        guarded,
        quotas,
        name_of=VisitorNames(by_login=authenticator is not None),
        max_file_bytes=max_file_bytes,
        forget_session=forgetting_sessions(page),
    )
    guarded = Authentication(guarded, authenticator)
    guarded = KnownPaths(guarded, has_login=authenticator is not None)
    guarded = SameOrigin(guarded, is_keyless=authenticator is None)
    guarded = ResponseHeaders(guarded)
    # A site whose name leads to this machine could write a proxy's headers too.
    believed = ProxySettings(trusted=()) if authenticator is None else proxy or ProxySettings()
    mounted.app = PublicAddress(guarded, believed, keeps_prefix=True)


def head_of(more: Mapping[str, Mapping[str, str]] | None = None, script: str = "") -> str:
    """Returns the scripts that run before a page is drawn.

    Args:
        more: Texts by name, by language, in addition to those of the chat page.
        script: JavaScript that runs behind that of all pages.
    """
    spoken = {
        language.code: {
            "direction": language.direction,
            **page_texts(language.code).errors,
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
        is_keyless: Whether the page has no login.

    Raises:
        ConfigError: If other machines could reach a page without a login.
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
    # `PublicAddress` reads what a proxy says.
    uvicorn.run(app, host=host, port=port, log_level="warning", proxy_headers=False)


@functools.cache
def private_folder() -> "tempfile.TemporaryDirectory[str]":
    """Returns this process's folder: its owner alone can read it, and it ends with the process."""
    return tempfile.TemporaryDirectory(
        prefix="palo-uploads-", dir=os.environ.get("GRADIO_TEMP_DIR") or None
    )


def make_private() -> None:
    """Gives Gradio a folder of this process's own; to be called before a page is made."""
    folder = str(Path(private_folder().name).resolve())
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gradio.routes.DEFAULT_TEMP_DIR = folder  # read from the environment when it was imported


def as_if_launched(page: gr.Blocks) -> None:
    """Turns on the checks of paths that Gradio leaves out before a page is launched.

    Args:
        page: The page, already mounted.
    """
    page.has_launched = True
    # Else a path that ends in .svg would count as one that the page itself shows to everybody.
    page.is_running = True


def forgetting_sessions(page: gr.Blocks) -> Callable[[str], None]:
    """Returns a function that frees the memory of an open page: its state and unread events.

    Args:
        page: The page, already mounted.
    """
    states, queue = page.state_holder, page._queue

    def forget(session: str) -> None:
        states.session_data.pop(session, None)
        states.time_last_used.pop(session, None)
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)

    return forget


class LongerHead:
    """ASGI middleware that puts HTML at the beginning of a page's head.

    Gradio itself would add it after its own scripts have run.

    Args:
        app: The page, before its answers are compressed.
        head: The HTML.
    """

    def __init__(self, app: ASGIApp, head: str) -> None:
        self._app = app
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        is_http = scope["type"] == "http"
        await self._app(scope, receive, _Sending(send, self._head) if is_http else send)


class _Sending:
    def __init__(self, send: Send, head: bytes) -> None:
        self._send = send
        self._head = head
        self._start: Message | None = None
        self._html = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif self._start is not None:
            self._html += message.get("body", b"")
            if message.get("more_body"):
                return
            self._html = _PREVIEW.sub(b"", self._html.replace(b"<head>", b"<head>" + self._head, 1))
            MutableHeaders(scope=self._start)["content-length"] = str(len(self._html))
            await self._send(self._start)
            message = {"type": "http.response.body", "body": self._html}
            self._start = None
        await self._send(message)
