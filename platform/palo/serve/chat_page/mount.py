"""Puts the chat page into an ASGI application, or serves it alone."""

import tempfile
from pathlib import Path

import fastapi

from palo import config
from palo.serve.chat_page.examples import draw_examples
from palo.serve.chat_page.settings import PageSettings
from palo.serve.chat_page.wiring import build_page
from palo.webui.mounting import head_of, mount_blocks, serve_alone
from palo.webui.visitors import KeyLogins


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
    )


def page_app(settings: PageSettings) -> fastapi.FastAPI:
    """Returns an application that is the page alone.

    Args:
        settings: Of the page.

    Raises:
        ConfigError: If the settings have faults.
    """
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mount_page(app, settings)
    return app


def serve_page(settings: PageSettings, *, host: str, port: int) -> None:
    """Serves the page alone until it is stopped.

    Args:
        settings: Of the page.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        ConfigError: If the settings have faults, or others than this machine could reach a page
            without a login.
    """
    serve_alone(page_app(settings), host=host, port=port, is_keyless=not settings.login)
