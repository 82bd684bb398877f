"""Several asynchronous streams as one."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


async def merged(*streams: AsyncGenerator[T, None]) -> AsyncGenerator[tuple[int, T], None]:
    """Yields what streams yield, as it comes, each with its stream's number.

    Closing this one closes all of them.

    Args:
        *streams: The streams.
    """
    news: asyncio.Queue[tuple[int, T] | None] = asyncio.Queue()

    async def pass_on(number: int, stream: AsyncGenerator[T, None]) -> None:
        try:
            async with contextlib.aclosing(stream):
                async for value in stream:
                    news.put_nowait((number, value))
        finally:
            news.put_nowait(None)

    tasks = [asyncio.create_task(pass_on(number, one)) for number, one in enumerate(streams)]
    try:
        num_left = len(tasks)
        while num_left:
            if (value := await news.get()) is None:
                num_left -= 1
            else:
                yield value
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        task.result()  # raises its error
