import asyncio
import threading

import pytest

from palo.security.fair_threads import FairThreads


def test_what_is_returned_and_what_is_raised():
    async def run():
        threads = FairThreads(2, "test")
        name = await threads.run("a", lambda: threading.current_thread().name)
        with pytest.raises(ZeroDivisionError):
            await threads.run("a", lambda: 1 // 0)
        threads.close(wait=True)
        return name

    assert asyncio.run(run()).startswith("test")


def test_each_owners_next_piece_comes_in_turn():
    async def run():
        threads, gate, order = FairThreads(1, "test"), threading.Event(), []
        pieces = [threads.run("many", gate.wait)]
        pieces += [threads.run("many", lambda: order.append("many")) for _ in range(5)]
        pieces += [threads.run(name, lambda name=name: order.append(name)) for name in "ab"]
        running = [asyncio.create_task(piece) for piece in pieces]
        await asyncio.sleep(0)
        assert threads.is_busy
        assert threads.num_waiting == 7
        gate.set()
        await asyncio.gather(*running)
        assert not threads.is_busy
        return order

    assert set(asyncio.run(run())[:3]) == {"many", "a", "b"}


def test_what_nobody_waits_for_is_not_begun():
    async def run():
        threads, gate, order = FairThreads(1, "test"), threading.Event(), []
        first = asyncio.create_task(threads.run("a", gate.wait))
        second = asyncio.create_task(threads.run("a", lambda: order.append(2)))
        third = asyncio.create_task(threads.run("a", lambda: order.append(3)))
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()  # runs to its end, unheard
        await asyncio.sleep(0)
        assert threads.num_waiting == 1
        gate.set()
        await third
        return order

    assert asyncio.run(run()) == [3]
