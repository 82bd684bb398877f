"""Comments in streams that have nothing to say for a while, so that nobody takes them for dead."""

import asyncio
from collections.abc import AsyncGenerator

from palo.serve.protocol.events import KEEP_ALIVE


async def kept_alive(events: AsyncGenerator[bytes], every_s: float) -> AsyncGenerator[bytes]:
    """Passes events on, and a comment whenever none came for a while; clients leave those out.

    Args:
        events: The events; they are closed with this generator.
        every_s: Seconds without an event after which there is a comment.

    Yields:
        Events and comments.
    """
    coming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.create_task(_next(events))
            done, _ = await asyncio.wait({coming}, timeout=every_s)
            if not done:
                yield KEEP_ALIVE
                continue
            event, coming = coming.result(), None
            if event is None:
                return
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait({coming})
        await events.aclose()


async def _next(events: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(events, None)
