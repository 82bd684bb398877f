import asyncio

from palo.client.answers import EventParser
from palo.serve.protocol.bodies import KEEP_ALIVE
from palo.serve.responses import with_keep_alive


def test_a_silent_stream_gets_comments_until_it_speaks():
    async def main():
        go_on, ended = asyncio.Event(), []

        async def events():
            try:
                yield b"data: 1\n\n"
                await go_on.wait()
                yield b"data: 2\n\n"
            finally:
                ended.append(True)

        came = []
        async for event in with_keep_alive(events(), 0.01):
            came.append(event)
            if came[1:] == [KEEP_ALIVE] * 3:
                go_on.set()
        return came, ended

    came, ended = asyncio.run(main())
    assert [event for event in came if event != KEEP_ALIVE] == [b"data: 1\n\n", b"data: 2\n\n"]
    assert came.count(KEEP_ALIVE) >= 3
    assert ended == [True]
    assert EventParser().feed(b"".join(came)) == [b"1", b"2"]


def test_leaving_ends_what_is_waited_for():
    async def main():
        ended = asyncio.Event()

        async def events():
            try:
                yield b"data: 1\n\n"
                await asyncio.Event().wait()
            finally:
                ended.set()

        stream = with_keep_alive(events(), 60.0)
        assert await anext(stream) == b"data: 1\n\n"
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await stream.aclose()
        assert ended.is_set()

    asyncio.run(main())
