import asyncio
from contextlib import closing

import pytest

from palo.serve.replica_client import Deadline


def in_s(seconds):
    return closing(Deadline(asyncio.get_running_loop().time() + seconds))


def test_what_comes_in_time_is_passed_on():
    async def run():
        with in_s(30) as deadline:
            values = [await deadline.wait(lambda n=n: asyncio.sleep(0, n)) for n in range(3)]
            with pytest.raises(ZeroDivisionError):
                await deadline.wait(fails)
        return values

    async def fails():
        return 1 // 0

    assert asyncio.run(run()) == [0, 1, 2]


def test_waits_together_have_one_deadline_whichever_task_waits():
    async def run():
        with in_s(0.05) as deadline:
            await asyncio.create_task(deadline.wait(lambda: asyncio.sleep(0)))
            with pytest.raises(TimeoutError):
                await asyncio.create_task(deadline.wait(lambda: asyncio.sleep(60)))
            with pytest.raises(TimeoutError):
                await deadline.wait(lambda: asyncio.sleep(60))
        await asyncio.sleep(0)  # this task goes on
        assert not asyncio.current_task().cancelling()

    asyncio.run(run())


def test_who_is_cancelled_by_others_is_not_too_late():
    async def run(deadline_s, wait_s):
        with in_s(deadline_s) as deadline:
            task = asyncio.create_task(deadline.wait(lambda: asyncio.sleep(60)))
            await asyncio.sleep(wait_s)
            task.cancel()
            if wait_s:  # the deadline strikes while the cancellation is on its way
                deadline._end()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run(30, 0))
    asyncio.run(run(30, 0.01))


def test_a_deadline_that_was_kept_ends_nothing():
    async def run():
        with in_s(0.02) as deadline:
            await deadline.wait(lambda: asyncio.sleep(0))
        await asyncio.sleep(0.05)

    asyncio.run(run())
