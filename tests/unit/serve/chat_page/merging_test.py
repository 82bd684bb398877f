import asyncio

import pytest

from palo.serve.chat_page.merging import merged


async def _stream(values, closed, error=None):
    try:
        for value in values:
            await asyncio.sleep(0)
            yield value
        if error:
            raise error
        if closed is not None and not values:
            await asyncio.Event().wait()
    finally:
        if closed is not None:
            closed.append(True)


def test_all_values_come_with_their_streams_number():
    async def collect():
        return [one async for one in merged(_stream([1, 2], None), _stream([3], None))]

    found = asyncio.run(collect())
    assert sorted(found) == [(0, 1), (0, 2), (1, 3)]


def test_closing_closes_every_stream():
    closed = []

    async def leave():
        news = merged(_stream([1, 2, 3], closed), _stream([], closed))
        await anext(news)
        await news.aclose()

    asyncio.run(leave())
    assert closed == [True, True]


def test_an_error_ends_it():
    async def collect():
        return [one async for one in merged(_stream([1], None, ValueError("x")))]

    with pytest.raises(ValueError, match="x"):
        asyncio.run(collect())


def test_a_stream_waits_until_its_value_is_taken():
    made = []

    async def quick():
        for number in range(100):
            made.append(number)
            yield number

    async def read_slowly():
        news = merged(quick(), _stream([], []))
        await anext(news)
        for _ in range(50):
            await asyncio.sleep(0)
        await news.aclose()

    asyncio.run(read_slowly())
    assert len(made) <= 2
