"""What the page does when people do something."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gradio as gr

from palo import languages
from palo.errors import PaloError
from palo.metrics.chrf import chrf
from palo.translate.review.agreement import agreement_of
from palo.translate.review.checks import DecisionFault
from palo.translate.review.decision import Opinion
from palo.translate.review.item import Item
from palo.translate.review.page.form import TEMPLATES, decisions_of, item_form, read_answer
from palo.translate.review.page.queue import VIEWS, QueuePosition, ReviewerSession, ReviewQueue
from palo.translate.review.page.reviewers import Reviewers
from palo.translate.review.page.texts import review_texts
from palo.webui.texts import PageTexts, isolated, notice
from palo.webui.visitors import visitor_of

Step = Literal["next", "previous", "stay"]

_MOST_PAIRS = 5


class Shown(NamedTuple):
    """New contents of the page's parts, in the order of `Layout.shown`."""

    place: Any
    form: Any
    verdicts: Any
    progress: Any
    notice: str
    saved: str


class ReviewHandlers:
    """Answers to what happens on the page.

    Args:
        desk: The work.
        reviewers: Who has logged in; None if everybody types a name.
        images: Folder that the images' paths start from.
    """

    def __init__(
        self, desk: ReviewQueue, reviewers: Reviewers | None, images: Path | None = None
    ) -> None:
        self._desk = desk
        self._images = images
        self._reviewers = reviewers

    def languages(self) -> list[tuple[str, str]]:
        """Returns the languages that have something to review, by their own names."""
        self._desk.store.refresh()
        there = self._desk.store.languages()
        return [(one.native_name, one.code) for one in languages.every() if one.code in there]

    def show(
        self, name: str, language: str | None, view: str, code: str, request: gr.Request
    ) -> Shown:
        """Shows the first translation of a view."""
        words = review_texts(code)
        seat = self._seat(name, language, view, request)
        return self._shown(seat, self._desk.move(seat, QueuePosition()), words)

    def moving(self, step: Step) -> Callable[..., Shown]:
        """Returns what shows another translation, or the same in another language of the page."""

        # Gradio gives the request to what names its type.
        def move(
            place: QueuePosition,
            name: str,
            language: str | None,
            view: str,
            code: str,
            request: gr.Request,
        ) -> Shown:
            seat = self._seat(name, language, view, request)
            if step != "stay":
                place = self._desk.move(seat, place, back=step == "previous")
            return self._shown(seat, place, review_texts(code))

        return move

    def deciding(self, opinion: Opinion) -> Callable[..., Shown]:
        """Returns what saves an opinion and shows the next translation; or says why it can't."""

        def decide(
            answer: str,
            place: QueuePosition,
            name: str,
            language: str | None,
            view: str,
            code: str,
            request: gr.Request,
        ) -> Shown:
            seat = self._seat(name, language, view, request)
            return self._decide(opinion, answer, place, seat, review_texts(code))

        return decide

    def _decide(
        self,
        opinion: Opinion,
        answer: str,
        place: QueuePosition,
        seat: ReviewerSession,
        words: PageTexts,
    ) -> Shown:
        said = read_answer(answer, opinion)
        if not seat.reviewer:
            return self._stay(seat, place, notice(words["name_first"], "problem"), words)
        if said is None or (said.key, said.edition) != (place.key, place.edition):
            return self._stay(seat, place, notice(words.errors["turns"], "problem"), words)
        try:
            decided = self._desk.decide(seat, place, said)
        except PaloError as error:
            told = f"{words.errors['other']} {isolated(error.fact)}"
            return self._stay(seat, place, notice(told, "problem"), words)
        if decided.saved:
            told = words["saved_accept" if opinion == "accept" else "saved_reject"]
            following = self._desk.move(seat, decided.place)
            return self._shown(seat, following, words, told, saved=f"{place.key} {place.edition}")
        if decided.renewed:
            found = self._desk.store.find(place.key)
            fresh = QueuePosition(
                key=place.key,
                edition=found.edition if found else "",
                version=found.version if found else 0,
                trail=place.trail,
            )
            return self._shown(seat, fresh, words, words["unsaved"])
        told = "\n".join(_told(fault, words) for fault in decided.faults)
        if decided.faster:
            told = words["stale"].format(name=isolated(decided.faster))
        return self._stay(
            seat, decided.place, notice(told, "problem"), words, conflict=bool(decided.faster)
        )

    def _seat(
        self, name: str, language: str | None, view: str, request: gr.Request
    ) -> ReviewerSession:
        if self._reviewers is not None:
            name = self._reviewers.name_of(visitor_of(request.request.scope))
        there = self._desk.store.languages()
        return ReviewerSession(
            reviewer=name.strip(),
            language=language if language in there else min(there, default=""),
            view=next((one for one in VIEWS if one == view), "queue"),
        )

    def _shown(
        self,
        seat: ReviewerSession,
        place: QueuePosition,
        words: PageTexts,
        told: str = "",
        saved: str = "",
    ) -> Shown:
        item = self._desk.store.find(place.key)
        if item is None:
            said = "nothing_left" if self._desk.store.languages() else "choose_language"
            return Shown(
                place,
                notice(words[said], "hint"),
                "",
                self._progress(seat, words),
                notice(told),
                saved,
            )
        if self._desk.held_by_another(item.key, seat):
            told = f"{told} {words['busy']}"
        form = item_form(item, words, item.latest.get(seat.reviewer), self._images)
        verdicts = decisions_of(item, words, hide=self._hidden(seat, item))
        return Shown(place, form, verdicts, self._progress(seat, words), notice(told), saved)

    def _stay(
        self,
        seat: ReviewerSession,
        place: QueuePosition,
        told: str,
        words: PageTexts,
        *,
        conflict: bool = False,
    ) -> Shown:
        """Leaves the form as it is: what stands in it is saved nowhere else."""
        item = self._desk.store.find(place.key)
        verdicts = decisions_of(item, words) if item is not None and conflict else gr.skip()
        return Shown(place, gr.skip(), verdicts, self._progress(seat, words), told, "")

    def _hidden(self, seat: ReviewerSession, item: Item) -> str | None:
        """Returns whose verdicts alone are shown; second reviewers don't see the first ones."""
        is_blind = seat.view == "queue" and item.state != "disputed"
        return seat.reviewer if is_blind and seat.reviewer not in item.latest else None

    def _progress(self, seat: ReviewerSession, words: PageTexts) -> str:
        if not seat.language:
            return ""
        found = self._desk.progress(seat)
        counts = {
            name: isolated(f"{getattr(found, name):,}")
            for name in ("total", "done", "mine", "waiting")
        }
        lines = [words["progress"].format(**counts)]
        for one in agreement_of(self._desk.store.items(seat.language), chrf)[:_MOST_PAIRS]:
            kappa = words["no_kappa"] if one.kappa is None else f"{one.kappa:.2f}"
            likeness = words["no_kappa"] if one.likeness is None else f"{one.likeness:.1f}"
            lines.append(
                words["agreement"].format(
                    first=isolated(one.first),
                    second=isolated(one.second),
                    count=isolated(one.num_items),
                    kappa=isolated(kappa),
                    likeness=isolated(likeness),
                )
            )
        return TEMPLATES.render("progress.html", lines=lines)


def _told(fault: DecisionFault, words: PageTexts) -> str:
    known = words.errors.get(fault.kind, words.errors["other"])
    return known.format(text=isolated(fault.seen))
