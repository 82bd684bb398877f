"""Handlers of the chat page's events: each returns updates of the page's parts."""

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
    ending_notice,
    progress_of,
    speed_line,
)
from palo.serve.chat_page.chat import Chat, message_index
from palo.serve.chat_page.examples import PageExample
from palo.serve.chat_page.feedback import FeedbackFolder, Rating
from palo.serve.chat_page.settings import PageSettings
from palo.webui.texts import notice, page_texts
from palo.webui.visitors import KeyLogins, VisitorNames, visitor_of

_LOG = logging.getLogger(__name__)
_RATINGS: dict[object, Rating] = {True: "good", "Like": "good", False: "bad", "Dislike": "bad"}
_SAVED = {"good": "saved_good", "bad": "saved_bad", None: "rating_removed"}
Updates = tuple[Any, ...]


class ChatHandlers:
    """The chat page's behaviour; the state of one visitor is passed in and out.

    Args:
        settings: Settings of the page.
        visitors: The logins.
        examples: Examples to click on.
    """

    def __init__(
        self, settings: PageSettings, visitors: KeyLogins, examples: tuple[PageExample, ...]
    ) -> None:
        self._settings = settings
        self._visitors = visitors
        self._examples = examples
        quotas = settings.quotas
        self._running = RunningAnswers(quotas.answers, quotas.all_answers)
        self._visitor_of = VisitorNames(by_login=settings.login)
        self._feedback = FeedbackFolder(settings.feedback, settings.feedback_bounds)

    async def models(self, code: str, request: gr.Request) -> Updates:
        """Returns the updates of both lists of models and of the notice.

        Args:
            code: ISO code of the page's language.
            request: The request.
        """
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
        """Takes a question from its field; returns both chats, the field and the notice.

        Args:
            written: Text and files of the field.
            compare: Whether two models are compared.
            first: Chat with the first model.
            second: Chat with the second model.
            code: ISO code of the page's language.
            request: The request.
        """
        text, files = written["text"].strip(), written["files"]
        if not text:
            return first, second, gr.update(), notice(page_texts(code)["ask_first"], "problem")
        if self._running.busy(str(request.session_hash)):
            return first, second, gr.update(), ""
        image = Path(files[0]) if files else None
        asked = first.with_question(text, image)
        beside = second.with_question(text, image) if compare else second
        if message := self._too_long(asked, beside, code):
            return first, second, gr.update(), message
        return asked, beside, None, ""

    def ask_example(self, number: int, code: str) -> Updates:
        """Begins a chat with an example; returns both chats.

        Args:
            number: Number of the example.
            code: ISO code of the page's language.
        """
        example = self._examples[number]
        chat = Chat().with_question(example.question(code), example.image)
        return chat, chat

    def reopen(self, compare: bool, first: Chat, second: Chat, request: gr.Request) -> Updates:
        """Reopens the last questions, to be answered again; returns both chats.

        Args:
            compare: Whether two models are compared.
            first: Chat with the first model.
            second: Chat with the second model.
            request: The request.
        """
        if self._running.busy(str(request.session_hash)):
            return first, second
        return first.without_answer(), second.without_answer() if compare else second

    def edit(
        self,
        compare: bool,
        first: Chat,
        second: Chat,
        code: str,
        request: gr.Request,
        event: gr.EditData,
    ) -> Updates:
        """Edits an earlier question of the first chat; returns both chats and the notice.

        Args:
            compare: Whether two models are compared.
            first: Chat with the first model.
            second: Chat with the second model.
            code: ISO code of the page's language.
            request: The request.
            event: The browser's event.
        """
        text = event.value.strip() if isinstance(event.value, str) else ""
        edited = first.edited(message_index(event.index), text)
        if not text or edited is None or self._running.busy(str(request.session_hash)):
            return first, second, ""
        beside = second.with_edit_of(edited) if compare else second
        if message := self._too_long(edited, beside, code):
            return first, second, message
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
        """Edits an earlier question of the second chat; returns both chats and the notice.

        Args:
            compare: Whether two models are compared.
            first: Chat with the first model.
            second: Chat with the second model.
            code: ISO code of the page's language.
            request: The request.
            event: The browser's event.
        """
        second, first, message = self.edit(compare, second, first, code, request, event)
        return first, second, message

    def start_new(self, request: gr.Request) -> Updates:
        """Begins new chats; returns both with their chatbots, speeds, the field and the notice.

        Args:
            request: The request.
        """
        self._running.stop(str(request.session_hash))
        return Chat(), Chat(), [], [], "", "", None, ""

    def stop(self, request: gr.Request) -> None:
        """Ends the running answers.

        Args:
            request: The request.
        """
        self._running.stop(str(request.session_hash))

    def settle(self, first: Chat, request: gr.Request) -> Updates:
        """Returns the updates of the stop button and of the examples.

        Args:
            first: Chat with the first model.
            request: The request.
        """
        busy = self._running.busy(str(request.session_hash))
        return gr.update(interactive=busy), gr.update(visible=not first.messages)

    async def answer(
        self,
        chat: Chat,
        model: str,
        language: str,
        temperature: float,
        length: int,
        code: str,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """Answers a chat's open question; yields the chat, its chatbot, speed and notice.

        Args:
            chat: The chat.
            model: Name of the model.
            language: ISO code of the wanted language; "" for that of the question.
            temperature: Temperature of sampling; 0 for greedy decoding.
            length: Longest answer, in tokens.
            code: ISO code of the page's language.
            request: The request.
        """
        texts = page_texts(code)
        if not chat.is_open:
            yield chat, chat.to_gradio(texts), gr.update(), gr.update()
            return
        scope = request.request.scope
        page, visitor = str(request.session_hash), visitor_of(scope)
        try:
            running = self._running.begun(page, self._visitor_of(scope))
            with running as stop, visitor.stopping(stop):
                yield chat, chat.to_gradio(texts, ""), "", ""
                question = ChatQuestion(
                    model=model or "",
                    messages=tuple(chat.request_messages()),
                    language=language or None,
                    temperature=temperature,
                    max_tokens=int(length),
                )
                progress = AnswerProgress()
                async for progress in progress_of(self._endpoint(request), question, stop):
                    shown = chat.to_gradio(texts, progress.text)
                    yield chat, shown, speed_line(texts, progress), gr.update()
                updated = chat.with_answer(progress.text, model, progress.language)
                yield (
                    updated,
                    updated.to_gradio(texts),
                    speed_line(texts, progress),
                    ending_notice(texts, progress),
                )
        except PaloError as error:
            message = texts.error(as_endpoint_error(error))
            yield chat, chat.to_gradio(texts), "", notice(message, "problem")

    async def answer_beside(
        self,
        compare: bool,
        chat: Chat,
        model: str,
        language: str,
        temperature: float,
        length: int,
        code: str,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """Answers like `answer`, if two models are compared.

        Args:
            compare: Whether two models are compared.
            chat: The chat.
            model: Name of the model.
            language: ISO code of the wanted language; "" for that of the question.
            temperature: Temperature of sampling; 0 for greedy decoding.
            length: Longest answer, in tokens.
            code: ISO code of the page's language.
            request: The request.
        """
        if not compare:
            yield chat, gr.update(), gr.update(), gr.update()
            return
        updates = self.answer(chat, model, language, temperature, length, code, request)
        async for update in updates:
            yield update

    def compare(self, compare: bool, first: Chat, second: Chat, code: str) -> Updates:
        """Shows the second model with the same chat; returns its chat, chatbot, column and list.

        Args:
            compare: Whether two models are compared.
            first: Chat with the first model.
            second: Chat with the second model.
            code: ISO code of the page's language.
        """
        chat = first if compare else second
        shown = gr.update(visible=compare)
        return chat, chat.to_gradio(page_texts(code)), shown, shown

    def rate(
        self, chat: Chat, language: str, code: str, request: gr.Request, event: gr.LikeData
    ) -> str:
        """Saves a rating of one of the chat's answers; returns the notice.

        Args:
            chat: The chat.
            language: ISO code of the wanted language; "" for that of the question.
            code: ISO code of the page's language.
            request: The request.
            event: The browser's event.
        """
        texts = page_texts(code)
        position = chat.answer_at(message_index(event.index))
        if position is None:
            return notice(texts["not_rated"], "problem")
        rating = _RATINGS.get(event.liked) if isinstance(event.liked, bool | str) else None
        spoken = chat.messages[position].language or language or code
        try:
            visitor = self._visitor_of(request.request.scope)
            self._feedback.keep(chat, position, spoken, rating, visitor)
        except PaloError as error:
            _LOG.warning("feedback wasn't kept: %s", error)
            return notice(texts["not_saved"], "problem")
        return notice(texts[_SAVED[rating]])

    def write(self, first: Chat, code: str) -> str:
        """Returns the chat as the text of a file.

        Args:
            first: Chat with the first model.
            code: ISO code of the page's language.
        """
        return first.to_markdown(page_texts(code))

    def _too_long(self, first: Chat, second: Chat, code: str) -> str:
        """Returns the notice for chats that are too long; "" if they aren't."""
        bounds = self._settings.chat_bounds
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
