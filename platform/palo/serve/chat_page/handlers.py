"""Handlers of the chat page's events: each returns updates of the page's parts."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from palo.api_errors import APIErrorCode
from palo.client import Endpoint, EndpointError
from palo.client.connections import SharedConnections
from palo.errors import PaloError
from palo.serve.chat_page.act import ChatAct, Side
from palo.serve.chat_page.answering import RunningAnswers, as_endpoint_error
from palo.serve.chat_page.answers import Answers, AskedBy
from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.examples import PageExample
from palo.serve.chat_page.feedback import FeedbackFolder, Rating
from palo.serve.chat_page.history import KeptChats
from palo.serve.chat_page.merging import merged
from palo.serve.chat_page.settings import PageSettings
from palo.serve.chat_page.view import ChatView, thumbnail
from palo.webui.texts import PageTexts, isolated, notice, page_texts
from palo.webui.visitors import KeyLogins, VisitorNames, visitor_of

_LOG = logging.getLogger(__name__)
_RATINGS: dict[object, Rating] = {"good": "good", "bad": "bad"}
_SAVED = {"good": "saved_good", "bad": "saved_bad", None: "rating_removed"}
_SIDES: tuple[Side, Side] = ("first", "second")
_SAME = gr.skip()
# They only show what is there.
_QUIET = ("compare", "relabel")


class ChatUpdates(NamedTuple):
    """New contents of the page's parts, in the order of `mount.ChatParts`.

    `told` is JSON for the page's script: what an answer's end changes.
    """

    first: Any = _SAME
    second: Any = _SAME
    first_log: Any = _SAME
    second_log: Any = _SAME
    first_coming: Any = _SAME
    second_coming: Any = _SAME
    notice: Any = _SAME
    told: Any = _SAME


def _script_json(value: object) -> str:
    """Returns JSON for the page's script that is no markup, wherever a browser puts it.

    Regression: Gradio shows it in a hidden part, where the words of a model became elements.
    """
    text = json.dumps(value)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


class _RefusedError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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
        self._connections = SharedConnections()
        self._view = ChatView(examples)
        self._answers = Answers(self._view, self._running, self._connections)
        self._kept = KeptChats(settings.chat_bounds)

    async def begin(self, request: gr.Request, event: gr.EventData) -> ChatUpdates:
        """Opens the page, with the chats that its browser has kept and the server's models.

        Args:
            request: The request.
            event: The browser's event.
        """
        given = event._data if isinstance(event._data, dict) else {}
        texts = page_texts(ChatAct.read(given, 1).code)
        owner, names, message = self._owner(request), [], ""
        try:
            async with self._connections.client(self._endpoint(request)) as client:
                names = await client.models()
        except EndpointError as error:
            message = notice(texts.error(error), "problem")
        else:
            message = "" if names else self._no_models(texts)
        chats = self._kept.read(given.get("kept"), owner, lambda path: self._owns(path, request))
        told: dict[str, object] = {"models": names, "tag": self._kept.tag(owner)}
        return await self._shown(chats or (Chat(), Chat()), texts, message, told)

    def _no_models(self, texts: PageTexts) -> str:
        command = self._settings.train_command
        if not command:
            return notice(texts["no_models"], "problem")
        return notice(texts["train_first"].format(command=isolated(command)), "hint")

    async def ask(
        self, first: Chat, second: Chat, request: gr.Request, event: gr.EventData
    ) -> AsyncGenerator[ChatUpdates, None]:
        """Does what the browser asks for, and answers the question that this opens.

        Args:
            first: Chat with the first model.
            second: Chat with the second model.
            request: The request.
            event: The browser's event.

        Yields:
            The updates.
        """
        act = ChatAct.read(event._data, self._settings.max_length)
        texts = page_texts(act.code)
        try:
            chats = await self._begun(act, (first, second), request)
        except _RefusedError as refusal:
            yield await self._shown((first, second), texts, refusal.message, is_refused=True)
            return
        if act.deed not in ("new", *_QUIET) and chats[0].is_open:
            async for update in self._answered(act, chats, request, texts):
                yield update
            return
        told = self._told(chats, request)
        message = _SAME if act.deed in _QUIET else ""
        yield await self._shown(chats, texts, message, told)

    def stop(self, request: gr.Request) -> None:
        """Ends the running answers.

        Args:
            request: The request.
        """
        self._running.stop(str(request.session_hash))

    def rate(self, first: Chat, second: Chat, request: gr.Request, event: gr.EventData) -> str:
        """Saves a rating of one of the chats' answers; returns the notice.

        Args:
            first: Chat with the first model.
            second: Chat with the second model.
            request: The request.
            event: The browser's event.
        """
        act = ChatAct.read(event._data, self._settings.max_length)
        given = event._data if isinstance(event._data, dict) else {}
        texts, liked = page_texts(act.code), given.get("rating")
        chat = second if act.side == "second" else first
        if not chat.is_rateable(act.position):
            return notice(texts["not_rated"], "problem")
        rating = _RATINGS.get(liked) if isinstance(liked, str) else None
        spoken = chat.messages[act.position].language or act.language or act.code
        try:
            visitor = self._visitor_of(request.request.scope)
            self._feedback.keep(chat, act.position, spoken, rating, visitor)
        except PaloError as error:
            _LOG.warning("feedback wasn't kept: %s", error)
            return notice(texts["not_saved"], "problem")
        return notice(texts[_SAVED[rating]])

    def write(self, first: Chat, event: gr.EventData) -> str:
        """Returns the chat as the text of a file, in JSON.

        Args:
            first: Chat with the first model.
            event: The browser's event.
        """
        act = ChatAct.read(event._data, self._settings.max_length)
        return _script_json(first.to_markdown(page_texts(act.code)))

    async def _begun(
        self, act: ChatAct, chats: tuple[Chat, Chat], request: gr.Request
    ) -> tuple[Chat, Chat]:
        """Returns the chats with what an act changes, before any answer."""
        first, second = chats
        page = str(request.session_hash)
        if act.deed == "new":
            self._running.stop(page)
            return Chat(), Chat()
        if act.deed in _QUIET:
            return (first, first) if act.deed == "compare" and act.compare else chats
        if self._running.busy(page):
            raise _RefusedError("")
        match act.deed:
            case "ask":
                image = await self._image_of(act, request)
                question = act.text or page_texts(act.code)["describe"], image
                first = first.with_question(*question)
                second = second.with_question(*question) if act.compare else second
            case "example" if self._examples:
                example = self._examples[act.position % len(self._examples)]
                first = Chat().with_question(example.question(act.code), example.image)
                second = first if act.compare else Chat()
            case "again":
                first = first.without_answer()
                second = second.without_answer() if act.compare else second
            case "edit":
                first, second = self._edited(act, first, second)
        for chat in (first, second):
            if (problem := self._settings.chat_bounds.problem(chat)) is not None:
                error = EndpointError("it is too long", code=problem)
                raise _RefusedError(notice(page_texts(act.code).error(error), "problem"))
        return first, second

    def _edited(self, act: ChatAct, first: Chat, second: Chat) -> tuple[Chat, Chat]:
        own, other = (second, first) if act.side == "second" else (first, second)
        edited = own.edited(act.position, act.text) if act.text else None
        if edited is None:
            raise _RefusedError("")
        if act.compare or act.side == "second":
            other = other.with_edit_of(edited)
        return (other, edited) if act.side == "second" else (edited, other)

    async def _image_of(self, act: ChatAct, request: gr.Request) -> Path | None:
        """Returns the image of a question, which the visitor owns and which can be decoded."""
        texts = page_texts(act.code)
        if act.image is None:
            if not act.text:
                raise _RefusedError(notice(texts["ask_first"], "problem"))
            return None
        try:
            if not self._owns(str(act.image), request):
                raise EndpointError("it isn't theirs", code=APIErrorCode.IMAGE_UNREADABLE)
            await asyncio.to_thread(thumbnail, act.image)
        except PaloError as error:
            message = texts.error(as_endpoint_error(error))
            raise _RefusedError(notice(message, "problem")) from error
        return act.image

    async def _answered(
        self,
        act: ChatAct,
        chats: tuple[Chat, Chat],
        request: gr.Request,
        texts: PageTexts,
    ) -> AsyncGenerator[ChatUpdates, None]:
        waiting = [self._view.coming("", name, None, texts, "") for name in act.models]
        sides = _SIDES if act.compare else _SIDES[:1]
        shown = await self._shown(chats, texts, "")
        yield shown._replace(
            first_coming=waiting[0], second_coming=waiting[1] if act.compare else ""
        )
        scope = request.request.scope
        asked_by = AskedBy(
            page=str(request.session_hash),
            visitor=visitor_of(scope),
            name=self._visitor_of(scope),
            endpoint=self._endpoint(request),
        )
        current = list(chats)
        streams = [
            self._answers.stream(chat, side, act, asked_by, texts)
            for chat, side in zip(chats, sides, strict=False)
        ]
        async for number, news in merged(*streams):
            side = sides[number]
            update: dict[str, Any] = {f"{side}_coming": news.coming}
            if news.notice is not None:
                update["notice"] = news.notice
            if news.is_over:
                current[number] = news.chat
                log = await asyncio.to_thread(self._view.log, news.chat, side, texts)
                update |= {side: news.chat, f"{side}_log": log}
            yield ChatUpdates(**update)
        yield ChatUpdates(told=_script_json(self._told((current[0], current[1]), request)))

    def _told(self, chats: tuple[Chat, Chat], request: gr.Request) -> dict[str, object]:
        """Returns what the page's script is told when chats have changed."""
        if not any(chat.messages for chat in chats):
            return {"kept": ""}
        return {"kept": self._kept.write(chats, self._owner(request))}

    async def _shown(
        self,
        chats: tuple[Chat, Chat],
        texts: PageTexts,
        message: Any,  # noqa: ANN401 - text or none of Gradio's
        told: dict[str, object] | None = None,
        *,
        is_refused: bool = False,
    ) -> ChatUpdates:
        """Returns the updates that show chats without a coming answer."""
        logs = [
            await asyncio.to_thread(self._view.log, chat, side, texts, is_refused=is_refused)
            for chat, side in zip(chats, _SIDES, strict=True)
        ]
        coming = _SAME if is_refused else ""
        return ChatUpdates(
            first=chats[0],
            second=chats[1],
            first_log=logs[0],
            second_log=logs[1],
            first_coming=coming,
            second_coming=coming,
            notice=message,
            told=_SAME if told is None else _script_json(told),
        )

    def _owns(self, path: str, request: gr.Request) -> bool:
        """Tells whether a path is an upload of a visitor's, or an example's image."""
        examples = (str(example.image) for example in self._examples)
        return path in visitor_of(request.request.scope).files or path in examples

    def _owner(self, request: gr.Request) -> str:
        return visitor_of(request.request.scope).owner

    def _endpoint(self, request: gr.Request) -> Endpoint:
        if not self._settings.login:
            return self._settings.endpoint
        return self._visitors.endpoint(visitor_of(request.request.scope))
