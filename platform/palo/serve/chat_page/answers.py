"""The answers to a question, of one or two models, as updates of the page."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from palo.client import ChatQuestion, Endpoint
from palo.client.connections import SharedConnections
from palo.errors import PaloError
from palo.serve.chat_page.act import ChatAct, Side
from palo.serve.chat_page.answering import (
    AnswerProgress,
    RunningAnswers,
    as_endpoint_error,
    ending_notice,
    progress_of,
    speed_line,
)
from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.view import ChatView
from palo.webui.texts import PageTexts, notice
from palo.webui.visitors import Visitor


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedBy:
    """Who asks, and where.

    Attributes:
        page: The open page.
        visitor: Who has it open.
        name: Name of the visitor, for the quotas.
        endpoint: The server, with the visitor's key.
    """

    page: str
    visitor: Visitor[Any]
    name: str
    endpoint: Endpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class SideUpdate:
    """News of one of the chats.

    Attributes:
        chat: The chat.
        coming: The answer that is coming, as HTML; when it has come, its speed.
        notice: The notice; None leaves it as it is.
        is_over: Whether this is the last one.
    """

    chat: Chat
    coming: str
    notice: str | None = None
    is_over: bool = False


class Answers:
    """Asks the server the open questions of chats.

    Args:
        view: Renders the chats.
        running: The running answers.
        connections: SharedConnections to the server.
    """

    def __init__(
        self, view: ChatView, running: RunningAnswers, connections: SharedConnections
    ) -> None:
        self._view = view
        self._running = running
        self._connections = connections

    async def stream(
        self, chat: Chat, side: Side, act: ChatAct, asked_by: AskedBy, texts: PageTexts
    ) -> AsyncGenerator[SideUpdate, None]:
        """Yields the news of a chat while its open question is answered.

        Args:
            chat: The chat.
            side: Which of the two it is.
            act: The settings to answer with.
            asked_by: Who asks.
            texts: Texts of the page's language.
        """
        model = act.models[side == "second"]
        coming = self._comings(model, texts)
        try:
            running = self._running.begun(asked_by.page, asked_by.name)
            with running as stop, asked_by.visitor.stopping(stop):
                question = await asyncio.to_thread(_question, chat, model, act)
                progress = AnswerProgress()
                news = progress_of(self._connections.client(asked_by.endpoint), question, stop)
                async for progress in news:
                    yield SideUpdate(chat=chat, coming=coming(progress))
                updated = chat.with_answer(progress.text, model, progress.language)
                yield SideUpdate(
                    chat=updated,
                    coming=self._view.speed(speed_line(texts, progress)),
                    notice=ending_notice(texts, progress),
                    is_over=True,
                )
        except PaloError as error:
            message = notice(texts.error(as_endpoint_error(error)), "problem")
            yield SideUpdate(chat=chat, coming="", notice=message, is_over=True)

    def _comings(self, model: str, texts: PageTexts) -> Callable[[AnswerProgress], str]:
        def coming(progress: AnswerProgress) -> str:
            line = speed_line(texts, progress)
            return self._view.coming(progress.text, model, progress.language, texts, line)

        return coming


def _question(chat: Chat, model: str, act: ChatAct) -> ChatQuestion:
    return ChatQuestion(
        model=model,
        messages=tuple(chat.request_messages()),
        language=act.language or None,
        temperature=act.temperature,
        max_tokens=act.length,
    )
