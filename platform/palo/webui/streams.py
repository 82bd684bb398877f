"""Answers that go on for as long as a visitor stays, and no longer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.webui.tokens import CONFIRM_EVERY_S, Visitor


async def until_gone(
    visitor: Visitor[Any],
    confirm: Callable[[Visitor[Any]], Awaitable[bool]],
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Answers a request, and ends the answer when the visitor has left or lost their key.

    Args:
        visitor: Whose request it is.
        confirm: Tells whether they may stay.
        app: What answers.
        scope: The request.
        receive: See ASGI.
        send: See ASGI.
    """
    begun = ended = False

    async def following(message: Message) -> None:
        nonlocal begun, ended
        begun = True
        ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await send(message)

    answer = asyncio.ensure_future(app(scope, receive, following))
    watch = asyncio.ensure_future(_gone(visitor, confirm))
    try:
        await asyncio.wait({answer, watch}, return_when=asyncio.FIRST_COMPLETED)
        is_over = answer.done()
    finally:
        answer.cancel()
        watch.cancel()
        await asyncio.wait({answer, watch})
    if is_over:
        answer.result()
    elif begun and not ended:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(visitor: Visitor[Any], confirm: Callable[[Visitor[Any]], Awaitable[bool]]) -> None:
    while await confirm(visitor):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_EVERY_S):
                await visitor.gone.wait()
