"""Several asynchronous streams as one."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


async def merged(*streams: AsyncGenerator[T, None]) -> AsyncGenerator[tuple[int, T], None]:
    """Yields what streams yield, as it comes, each with its stream's number.

    A stream goes on only when its last value was taken: a slow reader gets fewer values, not late
    ones. Closing this one closes all of them.

    Args:
        *streams: The streams.
    """
    coming = {_next(stream): number for number, stream in enumerate(streams)}
    try:
        while coming:
            done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number = coming.pop(task)
                try:
                    value = task.result()
                except StopAsyncIteration:
                    continue
                yield number, value
                coming[_next(streams[number])] = number
    finally:
        for task in coming:
            task.cancel()
        if coming:
            await asyncio.wait(coming)
        for stream in streams:
            await stream.aclose()


def _next(stream: AsyncGenerator[T, None]) -> "asyncio.Task[T]":
    async def step() -> T:
        return await anext(stream)

    return asyncio.create_task(step())
