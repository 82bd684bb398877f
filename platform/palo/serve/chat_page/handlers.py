"""What happens on the page: each method is what one of its parts does, and returns updates."""

import html
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from palo.client import AsyncChatClient, ChatQuestion, Endpoint, EndpointError
from palo.errors import PaloError
from palo.serve.chat_page.answering import (
    AnswerProgress,
    RunningAnswers,
    as_endpoint_error,
    progress_of,
)
from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.examples import PageExample
from palo.serve.chat_page.feedback import FeedbackFolder, Opinion
from palo.serve.chat_page.settings import PageSettings
from palo.webui.texts import PageTexts, notice, page_texts
from palo.webui.visitors import KeyLogins, VisitorNames, visitor_of

_LOG = logging.getLogger(__name__)
_OPINIONS: dict[object, Opinion] = {True: "good", "Like": "good", False: "bad", "Dislike": "bad"}
_SAVED = {"good": "saved_good", "bad": "saved_bad", None: "taken_back"}
Updates = tuple[Any, ...]


class ChatHandlers:
    """The page's behaviour; what belongs to one visitor is passed in and out.

    Args:
        settings: Of the page.
        visitors: Who has logged in.
        examples: What can be clicked on.
    """

    def __init__(
        self, settings: PageSettings, visitors: KeyLogins, examples: tuple[PageExample, ...]
    ) -> None:
        self._settings = settings
        self._visitors = visitors
        self._examples = examples
        quotas = settings.quotas
        self._running = RunningAnswers(quotas.answers, quotas.all_answers)
        self._visitor_of = VisitorNames(
            by_login=settings.login, trust_forwarded_for=quotas.trust_forwarded_for
        )
        self._feedback = FeedbackFolder(settings.feedback, settings.feedback_bounds)

    async def models(self, code: str, request: gr.Request) -> Updates:
        """Returns the updates of both lists of models and of the notice."""
        try:
            async with AsyncChatClient(self._endpoint(request)) as client:
                names = await client.models()
        except EndpointError as error:
            return gr.update(), gr.update(), notice(page_texts(code).error(error), "problem")
        if not names:
            return gr.update(), gr.update(), notice(page_texts(code)["no_models"], "problem")
        first = gr.update(choices=names, value=names[0])
        return first, gr.update(choices=names, value=names[-1]), ""

    def ask(
        self,
        written: dict[str, Any],
        compare: bool,
        first: Chat,
        second: Chat,
        code: str,
        request: gr.Request,
    ) -> Updates:
        """Takes a question from its field: both talks, the field, the notice."""
        text, files = written["text"].strip(), written["files"]
        if not text:
            return first, second, gr.update(), notice(page_texts(code)["ask_first"], "problem")
        if self._running.busy(str(request.session_hash)):
            return first, second, gr.update(), ""
        image = Path(files[0]) if files else None
        asked = first.asked(text, image)
        beside = second.asked(text, image) if compare else second
        if told := self._too_long(asked, beside, code):
            return first, second, gr.update(), told
        return asked, beside, None, ""

    def ask_example(self, number: int, code: str) -> Updates:
        """Begins a talk with an example: both talks."""
        example = self._examples[number]
        talk = Chat().asked(example.question(code), example.image)
        return talk, talk

    def reopen(self, compare: bool, first: Chat, second: Chat, request: gr.Request) -> Updates:
        """Makes the last answers be given again: both talks."""
        if self._running.busy(str(request.session_hash)):
            return first, second
        return first.reopened(), second.reopened() if compare else second

    def edit(
        self,
        compare: bool,
        first: Chat,
        second: Chat,
        code: str,
        request: gr.Request,
        event: gr.EditData,
    ) -> Updates:
        """Asks an earlier question of the first chat in other words: both talks, the notice."""
        text = event.value.strip() if isinstance(event.value, str) else ""
        edited = first.edited(_shown_index(event), text)
        if not text or edited is None or self._running.busy(str(request.session_hash)):
            return first, second, ""
        beside = second.beside(edited) if compare else second
        if told := self._too_long(edited, beside, code):
            return first, second, told
        return edited, beside, ""

    def edit_beside(
        self,
        compare: bool,
        first: Chat,
        second: Chat,
        code: str,
        request: gr.Request,
        event: gr.EditData,
    ) -> Updates:
        """Asks an earlier question of the second chat in other words: both talks, the notice."""
        second, first, told = self.edit(compare, second, first, code, request, event)
        return first, second, told

    def start_anew(self, request: gr.Request) -> Updates:
        """Forgets everything: both talks, both chats, both speeds, the field, the notice."""
        self._running.stop(str(request.session_hash))
        return Chat(), Chat(), [], [], "", "", None, ""

    def stop(self, request: gr.Request) -> None:
        """Ends the answers that run."""
        self._running.stop(str(request.session_hash))

    def settle(self, first: Chat, request: gr.Request) -> Updates:
        """Returns the updates of the stop button and of the examples."""
        busy = self._running.busy(str(request.session_hash))
        return gr.update(interactive=busy), gr.update(visible=not first.said)

    async def answer(
        self,
        talk: Chat,
        model: str,
        language: str,
        temperature: float,
        length: int,
        code: str,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """Answers a talk's open question: the talk, its chat, its speed, the notice."""
        words = page_texts(code)
        if not talk.is_open:
            yield talk, talk.shown(words), gr.update(), gr.update()
            return
        scope = request.request.scope
        page, visitor = str(request.session_hash), visitor_of(scope)
        try:
            running = self._running.begun(page, self._visitor_of(scope))
            with running as stop, visitor.stopping(stop):
                yield talk, talk.shown(words, ""), "", ""
                question = ChatQuestion(
                    model=model or "",
                    messages=tuple(talk.messages()),
                    language=language or None,
                    temperature=temperature,
                    max_tokens=int(length),
                )
                progress = AnswerProgress()
                async for progress in progress_of(self._endpoint(request), question, stop):
                    shown = talk.shown(words, progress.text)
                    yield talk, shown, _speed(words, progress), gr.update()
                said = talk.answered(progress.text, model, _language_of(progress))
                yield said, said.shown(words), _speed(words, progress), _ending(words, progress)
        except PaloError as error:
            told = words.error(as_endpoint_error(error))
            yield talk, talk.shown(words), "", notice(told, "problem")

    async def answer_beside(
        self,
        compare: bool,
        talk: Chat,
        model: str,
        language: str,
        temperature: float,
        length: int,
        code: str,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """Does as `answer` if two models are compared."""
        if not compare:
            yield talk, gr.update(), gr.update(), gr.update()
            return
        updates = self.answer(talk, model, language, temperature, length, code, request)
        async for update in updates:
            yield update

    def compare(self, compare: bool, first: Chat, second: Chat, code: str) -> Updates:
        """Shows the second model with the same talk: its talk, its chat, its column, its list."""
        talk = first if compare else second
        shown = gr.update(visible=compare)
        return talk, talk.shown(page_texts(code)), shown, shown

    def judge(
        self, talk: Chat, language: str, code: str, request: gr.Request, event: gr.LikeData
    ) -> str:
        """Keeps an opinion of an answer that this talk holds; returns the notice."""
        words = page_texts(code)
        position = talk.answer_at(_shown_index(event))
        if position is None:
            return notice(words["not_judged"], "problem")
        opinion = _OPINIONS.get(event.liked) if isinstance(event.liked, bool | str) else None
        spoken = talk.said[position].language or language or code
        try:
            visitor = self._visitor_of(request.request.scope)
            self._feedback.keep(talk, position, spoken, opinion, visitor)
        except PaloError as error:
            _LOG.warning("feedback wasn't kept: %s", error)
            return notice(words["not_saved"], "problem")
        return notice(words[_SAVED[opinion]])

    def write(self, first: Chat, code: str) -> str:
        """Returns the talk as a file's text."""
        return first.written(page_texts(code))

    def _too_long(self, first: Chat, second: Chat, code: str) -> str:
        """Returns what to tell somebody whose talk can't go on; "" if it can."""
        bounds = self._settings.talk_bounds
        refused = bounds.problem(first) or bounds.problem(second)
        if refused is None:
            return ""
        return notice(
            page_texts(code).error(EndpointError("it is too long", code=refused)), "problem"
        )

    def _endpoint(self, request: gr.Request) -> Endpoint:
        if not self._settings.login:
            return self._settings.endpoint
        return self._visitors.endpoint(visitor_of(request.request.scope))


def _shown_index(event: gr.EditData | gr.LikeData) -> int:
    """Returns which of the shown messages a browser means; -1 if that is none."""
    index: Any = event.index
    if isinstance(index, list | tuple) and index:
        index = index[0]
    return index if type(index) is int else -1


def _language_of(progress: AnswerProgress) -> str | None:
    return progress.reading.language if progress.reading is not None else None


def _speed(words: PageTexts, progress: AnswerProgress) -> str:
    if progress.first_s is None:
        return ""
    line = words.speed(
        speed=progress.tokens_per_s, first_s=progress.first_s, count=progress.num_tokens
    )
    return html.escape(line)


def _ending(words: PageTexts, progress: AnswerProgress) -> str:
    if progress.error is not None:
        return notice(words.error(progress.error), "problem")
    if progress.stopped:
        return notice(words["stopped"])
    return notice(words["at_limit"]) if progress.at_limit else ""
