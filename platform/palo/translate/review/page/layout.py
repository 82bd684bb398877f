"""What is where on the review page, and which handler answers to what."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from palo import languages
from palo.translate.review.decision import Opinion
from palo.translate.review.page.handlers import ReviewHandlers
from palo.translate.review.page.queue import VIEWS, QueuePosition
from palo.translate.review.page.texts import review_texts
from palo.webui.request import LANGUAGE_COOKIE
from palo.webui.texts import PageTexts, chosen_language

_DEFAULT = "en"
_COLLECT = "(answer, ...rest) => [palo.review.collect(), ...rest]"


class ReviewLayout:
    """The parts of the page, made within the `gr.Blocks` that is open.

    Args:
        words: Texts that they have at first.
        login: Whether reviewers have logged in, so that their names are known.
    """

    def __init__(self, words: PageTexts, *, login: bool) -> None:
        with gr.Row(elem_id="head"):
            gr.HTML("<h1>PALO</h1>", elem_id="title", padding=False)
            self.code = gr.Dropdown(
                choices=[(one.native_name, one.code) for one in languages.every()],
                value=words.language.code,
                filterable=False,
                elem_id="language",
                container=False,
                min_width=140,
            )
        with gr.Row(elem_id="seat"):
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
        self.verdicts = gr.HTML("", elem_id="verdicts", padding=False)
        self.answer = gr.Textbox(visible="hidden")
        self.saved = gr.Textbox(visible="hidden")
        self.place = gr.State(QueuePosition())

    @property
    def seat(self) -> list[Any]:
        """What says who is at work on what, and in which language."""
        return [self.reviewer, self.language, self.view, self.code]

    @property
    def shown(self) -> list[Any]:
        """What changes with the translation that is shown."""
        return [self.place, self.form, self.verdicts, self.progress, self.notice, self.saved]

    @property
    def named(self) -> list[Any]:
        """What has a text of its own, in the order of `relabelled`."""
        return [
            self.reviewer, self.language, self.view, self.accept, self.reject, self.previous,
            self.next, self.log_out,
        ]  # fmt: skip

    def relabelled(self, words: PageTexts, log_out: str) -> list[Any]:
        """Returns the updates that put every part into a language."""
        views = [(words[f"view_{view}"], view) for view in VIEWS]
        return [
            gr.update(label=words["reviewer"], info=words["reviewer_info"]),
            gr.update(label=words["language_to_review"]),
            gr.update(label=words["view"], choices=views),
            *(gr.update(value=words[name]) for name in ("accept", "reject", "previous", "next")),
            gr.update(value=log_out),
        ]


def build_review(
    handlers: ReviewHandlers, log_out: Callable[[str], str], *, login: bool
) -> gr.Blocks:
    """Returns the page.

    Args:
        handlers: What it does.
        log_out: Returns, for a language, what the button for logging out says.
        login: Whether reviewers have logged in.
    """
    with gr.Blocks(title="PALO", analytics_enabled=False, fill_width=True) as blocks:
        layout = ReviewLayout(review_texts(_DEFAULT), login=login)
        _wire_opening(blocks, layout, handlers, log_out)
        _wire_work(layout, handlers)
    blocks.queue(api_open=False, default_concurrency_limit=None)
    return blocks


def _on(listen: Callable[..., Any], *args: Any, **settings: Any) -> Any:  # noqa: ANN401
    """Adds a listener that no client but the page can find, without a spinner over its outputs."""
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
    shown = _on(named.then, handlers.show, layout.seat, layout.shown)
    _on(shown.then, None, None, None, js="() => palo.ready()")
    spoken = _on(
        layout.code.input,
        speak,
        layout.code,
        layout.named,
        js="code => { palo.speak(code); return code }",
    )
    _on(spoken.then, handlers.moving("stay"), [layout.place, *layout.seat], layout.shown)


def _wire_work(layout: ReviewLayout, handlers: ReviewHandlers) -> None:
    _on(
        layout.reviewer.change, None, layout.reviewer, None, js="name => palo.review.remember(name)"
    )
    for part in (layout.language.input, layout.view.input, layout.reviewer.submit):
        _on(part, handlers.show, layout.seat, layout.shown)
    work = [layout.place, *layout.seat]
    _on(layout.next.click, handlers.moving("next"), work, layout.shown)
    _on(layout.previous.click, handlers.moving("previous"), work, layout.shown)
    opinions: tuple[tuple[gr.Button, Opinion], ...] = (
        (layout.accept, "accept"),
        (layout.reject, "reject"),
    )
    for button, opinion in opinions:
        handler = handlers.deciding(opinion)
        decided = _on(button.click, handler, [layout.answer, *work], layout.shown, js=_COLLECT)
        _on(decided.then, None, layout.saved, None, js="key => palo.review.forget(key)")
    _on(layout.log_out.click, None, None, None, js="() => palo.logOut()")
