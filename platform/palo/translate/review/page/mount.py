"""Puts the review page into an ASGI application, or serves it alone."""

from pathlib import Path

import fastapi

from palo import config, languages
from palo.security.access import KeyRing
from palo.translate.review.page.handlers import ReviewHandlers
from palo.translate.review.page.layout import build_review
from palo.translate.review.page.queue import ReviewQueue
from palo.translate.review.page.reviewers import Reviewers
from palo.translate.review.page.settings import ReviewPage
from palo.translate.review.page.texts import review_texts
from palo.translate.review.store import ReviewStore
from palo.webui.mounting import head_of, mount_blocks, serve_alone
from palo.webui.texts import page_texts

_ASSETS = Path(__file__).parent / "assets"


def mount_review(app: fastapi.FastAPI, settings: ReviewPage, path: str = "/") -> None:
    """Mounts the page; to be called after the application's own routes were added.

    Args:
        app: The application.
        settings: Of the page; where it listens is the application's affair.
        path: Where the page is in it.

    Raises:
        ConfigError: If the settings or the keys have faults.
        DataError: If the review's folder is damaged.
        StorageError: If a file can't be read.
    """
    config.check(settings)
    reviewers = Reviewers(KeyRing(settings.key_file)) if settings.key_file is not None else None
    desk = ReviewQueue(ReviewStore(settings.folder), second_share=settings.second_share)
    more = {language.code: review_texts(language.code).texts for language in languages.every()}
    mount_blocks(
        app,
        lambda: build_review(
            ReviewHandlers(desk, reviewers, settings.images),
            lambda code: page_texts(code)["log_out"],
            login=reviewers is not None,
        ),
        path,
        authenticator=reviewers,
        head=head_of(more, (_ASSETS / "review.js").read_text(encoding="utf-8")),
        style=(_ASSETS / "review.css").read_text(encoding="utf-8"),
        quotas=settings.quotas,
    )


def serve_review(settings: ReviewPage) -> None:
    """Serves the page alone until it is stopped.

    Args:
        settings: Of the page.

    Raises:
        ConfigError: If the settings or the keys have faults.
        DataError: If the review's folder is damaged.
        StorageError: If a file can't be read.
    """
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mount_review(app, settings)
    print(f"The review page is at http://{settings.host}:{settings.port}", flush=True)
    is_keyless = settings.key_file is None
    serve_alone(app, host=settings.host, port=settings.port, is_keyless=is_keyless)
