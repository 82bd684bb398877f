"""Builds the review page, and mounts it in an application or serves it alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastapi
import gradio as gr

from palo import config, languages
from palo.security.access import KeyRing
from palo.translate.review.decision import Outcome
from palo.translate.review.page.handlers import ReviewHandlers
from palo.translate.review.page.queue import VIEWS, QueuePosition, ReviewQueue
from palo.translate.review.page.reviewers import Reviewers
from palo.translate.review.page.settings import ReviewPage, review_texts
from palo.translate.review.store import ReviewStore
from palo.webui.mounting import head_of, mount_blocks, serve_alone
from palo.webui.request import LANGUAGE_COOKIE
from palo.webui.texts import PageTexts, chosen_language, page_texts

_ASSETS = Path(__file__).parent / "assets"
_DEFAULT = "en"
_COLLECT = "(answer, ...rest) => [palo.review.collect(), ...rest]"


def mount_review(app: fastapi.FastAPI, settings: ReviewPage, path: str = "/") -> None:
    """Mounts the page; to be called after the application's own routes were added.

    Args:
        app: The application.
        settings: Settings of the page; host and port are ignored.
        path: Where the page is in it.

    Raises:
        ConfigError: If the settings or the keys have faults.
        DataError: If the review's folder is damaged.
        StorageError: If a file can't be read.
    """
    config.check(settings)
    reviewers = Reviewers(KeyRing(settings.key_file)) if settings.key_file is not None else None
    queue = ReviewQueue(ReviewStore(settings.folder), second_share=settings.second_share)
    more = {language.code: review_texts(language.code).texts for language in languages.every()}
    mount_blocks(
        app,
        lambda: build_review(
            ReviewHandlers(queue, reviewers, settings.images),
            lambda code: page_texts(code)["log_out"],
            login=reviewers is not None,
        ),
        path,
        authenticator=reviewers,
        head=head_of(more, (_ASSETS / "review.js").read_text(encoding="utf-8")),
        style=(_ASSETS / "review.css").read_text(encoding="utf-8"),
        quotas=settings.quotas,
        proxy=settings.proxy,
    )


def serve_review(settings: ReviewPage) -> None:
    """Serves the page alone until it is stopped.

    Args:
        settings: Settings of the page.

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


class ReviewLayout:
    """The parts of the page, made within the `gr.Blocks` that is open.

    Args:
        texts: Texts that they have at first.
        login: Whether reviewers have logged in, so that their names are known.
    """

    def __init__(self, texts: PageTexts, *, login: bool) -> None:
        with gr.Row(elem_id="head"):
            gr.HTML("<h1>PALO</h1>", elem_id="title", padding=False)
            self.code = gr.Dropdown(
                choices=[(one.native_name, one.code) for one in languages.every()],
                value=texts.language.code,
                filterable=False,
                elem_id="language",
                container=False,
                min_width=140,
            )
        with gr.Row(elem_id="session"):
            self.reviewer = gr.Textbox(visible=not login, elem_id="reviewer", max_length=64)
            self.language = gr.Dropdown(choices=[], filterable=False, elem_id="reviewed")
            self.view = gr.Dropdown(choices=[], filterable=False, elem_id="view")
        self.progress = gr.HTML("", elem_id="progress", padding=False)
        self.notice = gr.HTML("", elem_id="notice", padding=False)
        self.form = gr.HTML("", elem_id="review", padding=False)
        with gr.Row(elem_id="actions"):
            self.accept = gr.Button(variant="primary", elem_id="accept")
            self.reject = gr.Button(variant="stop", elem_id="reject")
            self.previous = gr.Button(elem_id="previous")
            self.next = gr.Button(elem_id="next")
            self.log_out = gr.Button(elem_id="log-out", visible=login)
        self.decisions = gr.HTML("", elem_id="decisions", padding=False)
        self.answer = gr.Textbox(visible="hidden")
        self.saved = gr.Textbox(visible="hidden")
        self.position = gr.State(QueuePosition())

    @property
    def session(self) -> list[Any]:
        """Parts that name the reviewer, the view and the page's language."""
        return [self.reviewer, self.language, self.view, self.code]

    @property
    def shown(self) -> list[Any]:
        """Parts that change with the translation that is shown."""
        return [self.position, self.form, self.decisions, self.progress, self.notice, self.saved]

    @property
    def named(self) -> list[Any]:
        """Parts with a text of their own, in the order of `relabelled`."""
        return [
            self.reviewer, self.language, self.view, self.accept, self.reject, self.previous,
            self.next, self.log_out,
        ]  # fmt: skip

    def relabelled(self, texts: PageTexts, log_out: str) -> list[Any]:
        """Returns the updates that put every part into a language.

        Args:
            texts: Texts of that language.
            log_out: Text of the button for logging out.
        """
        views = [(texts[f"view_{view}"], view) for view in VIEWS]
        return [
            gr.update(label=texts["reviewer"], info=texts["reviewer_info"]),
            gr.update(label=texts["language_to_review"]),
            gr.update(label=texts["view"], choices=views),
            *(gr.update(value=texts[name]) for name in ("accept", "reject", "previous", "next")),
            gr.update(value=log_out),
        ]


def build_review(
    handlers: ReviewHandlers, log_out: Callable[[str], str], *, login: bool
) -> gr.Blocks:
    """Returns the page.

    Args:
        handlers: Its behaviour.
        log_out: Returns the text of the button for logging out, for a language.
        login: Whether reviewers have logged in.
    """
    with gr.Blocks(title="PALO review", analytics_enabled=False, fill_width=True) as blocks:
        layout = ReviewLayout(review_texts(_DEFAULT), login=login)
        _wire_opening(blocks, layout, handlers, log_out)
        _wire_work(layout, handlers)
    blocks.queue(api_open=False, default_concurrency_limit=None)
    return blocks


def _on(listen: Callable[..., Any], *args: Any, **settings: Any) -> Any:  # noqa: ANN401
    """Adds a listener that only the page can call, without a spinner over its outputs."""
    return listen(*args, show_progress="hidden", api_visibility="private", **settings)


def _wire_opening(
    blocks: gr.Blocks, layout: ReviewLayout, handlers: ReviewHandlers, log_out: Callable[[str], str]
) -> None:
    def speak(code: str) -> list[Any]:
        return layout.relabelled(review_texts(code), log_out(code))

    def open_page(request: gr.Request) -> list[Any]:
        cookie = request.cookies.get(LANGUAGE_COOKIE)
        code = chosen_language(cookie, request.headers.get("accept-language"))
        there = handlers.languages()
        codes = [one for _, one in there]
        mine = code if code in codes else next(iter(codes), None)
        reviewer, language, view, *others = speak(code)
        return [
            code,
            reviewer,
            {**language, "choices": there, "value": mine},
            {**view, "value": VIEWS[0]},
            *others,
        ]

    opened = _on(blocks.load, open_page, None, [layout.code, *layout.named])
    named = _on(
        opened.then,
        None,
        layout.code,
        layout.reviewer,
        js="code => { palo.speak(code); return palo.review.name() }",
    )
    shown = _on(named.then, handlers.show, layout.session, layout.shown)
    _on(shown.then, None, None, None, js="() => palo.ready()")
    spoken = _on(
        layout.code.input,
        speak,
        layout.code,
        layout.named,
        js="code => { palo.speak(code); return code }",
    )
    _on(spoken.then, handlers.moving("stay"), [layout.position, *layout.session], layout.shown)


def _wire_work(layout: ReviewLayout, handlers: ReviewHandlers) -> None:
    _on(
        layout.reviewer.change, None, layout.reviewer, None, js="name => palo.review.remember(name)"
    )
    for part in (layout.language.input, layout.view.input, layout.reviewer.submit):
        _on(part, handlers.show, layout.session, layout.shown)
    work = [layout.position, *layout.session]
    _on(layout.next.click, handlers.moving("next"), work, layout.shown)
    _on(layout.previous.click, handlers.moving("previous"), work, layout.shown)
    outcomes: tuple[tuple[gr.Button, Outcome], ...] = (
        (layout.accept, "accept"),
        (layout.reject, "reject"),
    )
    for button, outcome in outcomes:
        handler = handlers.deciding(outcome)
        decided = _on(button.click, handler, [layout.answer, *work], layout.shown, js=_COLLECT)
        _on(decided.then, None, layout.saved, None, js="key => palo.review.forget(key)")
    _on(layout.log_out.click, None, None, None, js="() => palo.logOut()")
