"""Handlers of the review page's events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gradio as gr

from palo import languages
from palo.errors import PaloError
from palo.metrics.chrf import chrf
from palo.translate.review.decision import DecisionFault, Outcome
from palo.translate.review.item import Item, agreement_of
from palo.translate.review.page.form import TEMPLATES, decisions_of, item_form, read_answer
from palo.translate.review.page.queue import VIEWS, QueuePosition, ReviewerSession, ReviewQueue
from palo.translate.review.page.reviewers import Reviewers
from palo.translate.review.page.settings import review_texts
from palo.webui.texts import PageTexts, isolated, notice
from palo.webui.visitors import visitor_of

Step = Literal["next", "previous", "stay"]

_MOST_PAIRS = 5


class ReviewUpdates(NamedTuple):
    """New contents of the page's parts, in the order of `ReviewLayout.shown`."""

    position: Any
    form: Any
    decisions: Any
    progress: Any
    notice: str
    saved: str


class ReviewHandlers:
    """The review page's behaviour.

    Args:
        queue: The review queue.
        reviewers: The logins; None if reviewers type their names.
        images: Folder that the images' paths start from.
    """

    def __init__(
        self, queue: ReviewQueue, reviewers: Reviewers | None, images: Path | None = None
    ) -> None:
        self._queue = queue
        self._images = images
        self._reviewers = reviewers

    def languages(self) -> list[tuple[str, str]]:
        """Returns the languages that have something to review, by their own names."""
        self._queue.store.refresh()
        there = self._queue.store.languages()
        return [(one.native_name, one.code) for one in languages.every() if one.code in there]

    def show(
        self, name: str, language: str | None, view: str, code: str, request: gr.Request
    ) -> ReviewUpdates:
        """Shows the first translation of a view.

        Args:
            name: Name that the reviewer typed; ignored with a login.
            language: ISO code of the language to review.
            view: The view, one of `VIEWS`.
            code: ISO code of the page's language.
            request: The request.
        """
        texts = review_texts(code)
        session = self._session(name, language, view, request)
        return self._shown(session, self._queue.move(session, QueuePosition()), texts)

    def moving(self, step: Step) -> Callable[..., ReviewUpdates]:
        """Returns a handler that shows another translation.

        Args:
            step: Which one; "stay" shows the same one in another language of the page.
        """

        # Gradio passes the request to parameters of its type.
        def move(
            position: QueuePosition,
            name: str,
            language: str | None,
            view: str,
            code: str,
            request: gr.Request,
        ) -> ReviewUpdates:
            session = self._session(name, language, view, request)
            if step != "stay":
                position = self._queue.move(session, position, back=step == "previous")
            return self._shown(session, position, review_texts(code))

        return move

    def deciding(self, outcome: Outcome) -> Callable[..., ReviewUpdates]:
        """Returns a handler that saves a decision and shows the next translation, or the faults.

        Args:
            outcome: The button that was pressed.
        """

        def decide(
            answer: str,
            position: QueuePosition,
            name: str,
            language: str | None,
            view: str,
            code: str,
            request: gr.Request,
        ) -> ReviewUpdates:
            session = self._session(name, language, view, request)
            return self._decide(outcome, answer, position, session, review_texts(code))

        return decide

    def _decide(
        self,
        outcome: Outcome,
        answer: str,
        position: QueuePosition,
        session: ReviewerSession,
        texts: PageTexts,
    ) -> ReviewUpdates:
        decision = read_answer(answer, outcome)
        if not session.reviewer:
            return self._stay(session, position, notice(texts["name_first"], "problem"), texts)
        if decision is None or (decision.key, decision.edition) != (
            position.key,
            position.edition,
        ):
            return self._stay(session, position, notice(texts.errors["turns"], "problem"), texts)
        try:
            result = self._queue.decide(session, position, decision)
        except PaloError as error:
            message = f"{texts.errors['other']} {isolated(error.fact)}"
            return self._stay(session, position, notice(message, "problem"), texts)
        if result.saved:
            message = texts["saved_accept" if outcome == "accept" else "saved_reject"]
            following = self._queue.move(session, result.position)
            return self._shown(
                session, following, texts, message, saved=f"{position.key} {position.edition}"
            )
        if result.retranslated:
            found = self._queue.store.find(position.key)
            fresh = QueuePosition(
                key=position.key,
                edition=found.edition if found else "",
                version=found.version if found else 0,
                trail=position.trail,
            )
            return self._shown(session, fresh, texts, texts["unsaved"])
        message = "\n".join(_message(fault, texts) for fault in result.faults)
        if result.newer_reviewer:
            message = texts["stale"].format(name=isolated(result.newer_reviewer))
        return self._stay(
            session,
            result.position,
            notice(message, "problem"),
            texts,
            conflict=bool(result.newer_reviewer),
        )

    def _session(
        self, name: str, language: str | None, view: str, request: gr.Request
    ) -> ReviewerSession:
        if self._reviewers is not None:
            name = self._reviewers.name_of(visitor_of(request.request.scope))
        there = self._queue.store.languages()
        return ReviewerSession(
            reviewer=name.strip(),
            language=language if language in there else min(there, default=""),
            view=next((one for one in VIEWS if one == view), "queue"),
        )

    def _shown(
        self,
        session: ReviewerSession,
        position: QueuePosition,
        texts: PageTexts,
        message: str = "",
        saved: str = "",
    ) -> ReviewUpdates:
        item = self._queue.store.find(position.key)
        if item is None:
            name = "nothing_left" if self._queue.store.languages() else "choose_language"
            return ReviewUpdates(
                position,
                notice(texts[name], "hint"),
                "",
                self._progress(session, texts),
                notice(message),
                saved,
            )
        if self._queue.held_by_another(item.key, session):
            message = f"{message} {texts['busy']}"
        place = self._queue.store.place_of(item)
        form = item_form(item, texts, item.latest.get(session.reviewer), self._images, place)
        decisions = decisions_of(item, texts, hide=self._hidden(session, item))
        return ReviewUpdates(
            position, form, decisions, self._progress(session, texts), notice(message), saved
        )

    def _stay(
        self,
        session: ReviewerSession,
        position: QueuePosition,
        message: str,
        texts: PageTexts,
        *,
        conflict: bool = False,
    ) -> ReviewUpdates:
        """Leaves the form as it is: its contents are saved nowhere else."""
        item = self._queue.store.find(position.key)
        decisions = decisions_of(item, texts) if item is not None and conflict else gr.skip()
        return ReviewUpdates(
            position, gr.skip(), decisions, self._progress(session, texts), message, ""
        )

    def _hidden(self, session: ReviewerSession, item: Item) -> str | None:
        """Returns the only reviewer whose decisions are shown, or None for all.

        Second reviewers don't see the first decision.
        """
        is_blind = session.view == "queue" and item.state != "disputed"
        return session.reviewer if is_blind and session.reviewer not in item.latest else None

    def _progress(self, session: ReviewerSession, texts: PageTexts) -> str:
        if not session.language:
            return ""
        found = self._queue.progress(session)
        counts = {
            name: isolated(f"{getattr(found, name):,}")
            for name in ("total", "done", "mine", "waiting")
        }
        lines = [texts["progress"].format(**counts)]
        for one in agreement_of(self._queue.store.items(session.language), chrf)[:_MOST_PAIRS]:
            kappa = texts["no_kappa"] if one.kappa is None else f"{one.kappa:.2f}"
            similarity = texts["no_kappa"] if one.similarity is None else f"{one.similarity:.1f}"
            lines.append(
                texts["agreement"].format(
                    first=isolated(one.first),
                    second=isolated(one.second),
                    count=isolated(one.num_items),
                    kappa=isolated(kappa),
                    similarity=isolated(similarity),
                )
            )
        return TEMPLATES.render("progress.html", lines=lines)


def _message(fault: DecisionFault, texts: PageTexts) -> str:
    known = texts.errors.get(fault.kind, texts.errors["other"])
    return known.format(text=isolated(fault.seen))
