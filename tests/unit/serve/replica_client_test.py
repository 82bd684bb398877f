import asyncio
from contextlib import closing

import pytest

from palo.api_errors import APIError
from palo.serve import replica_client
from palo.serve.protocol.generate import Delta, GenerateRequest, Queued, Started
from palo.serve.replica_client import Deadline, ReplicaClient
from palo.text.messages import Conversation, Turn

REQUEST = GenerateRequest(
    request_id="r1", model="palo", conversation=Conversation((Turn("user", "?"),))
)


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


class Slow:
    """A replica that starts when a test says so."""

    def __init__(self):
        self.starts = asyncio.Event()
        self.left = [[Started(version="fp_1")], [Delta(text="a", ids=(1,), finish="stop")]]
        self.is_cancelled = False

    async def __anext__(self):
        await self.starts.wait()
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)

    def cancel(self):
        self.is_cancelled = True


class Watch:
    """Says what a test has written down, the last of it again and again."""

    def __init__(self, *served):
        self.served = list(served)

    async def is_served(self, model):
        assert model == "palo"
        return self.served.pop(0) if len(self.served) > 1 else self.served[0]


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(replica_client, "_LOOK_EVERY_S", 0.001)


@pytest.mark.usefixtures("often")
def test_who_waits_for_busy_replicas_hears_of_it_and_waits_on():
    async def run():
        slow = Slow()
        client = ReplicaClient(
            {"palo": lambda request: slow}, 60.0, watch=Watch(True), restart_wait_s=0.0
        )
        heard = []
        async for event in client.events(REQUEST):
            heard.append(event)
            if heard == [Queued()] * 3:
                slow.starts.set()
        return heard, slow

    heard, slow = asyncio.run(run())
    spoken = [event for event in heard if event != Queued()]
    assert heard[:3] == [Queued()] * 3
    assert spoken == [Started(version="fp_1"), Delta(text="a", ids=(1,), finish="stop")]
    assert slow.is_cancelled


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("served", [(False,), (True, True, False)])
def test_without_a_replica_nobody_waits_for_long(served):
    async def run():
        slow = Slow()
        client = ReplicaClient(
            {"palo": lambda request: slow}, 60.0, watch=Watch(*served), restart_wait_s=0.01
        )
        heard = []

        async def hear():
            async for event in client.events(REQUEST):
                heard.append(event)  # noqa: PERF401 - kept where an error comes later

        with pytest.raises(APIError, match="no replica of this model runs") as caught:
            await hear()
        assert heard == [Queued()] * served.count(True)
        assert slow.is_cancelled
        return caught.value

    error = asyncio.run(run())
    assert error.code.status == 503
    assert error.headers()["Retry-After"] == "10"


@pytest.mark.usefixtures("often")
def test_a_replica_that_is_back_in_time_answers():
    async def run():
        slow = Slow()

        class Back(Watch):
            async def is_served(self, model):
                if len(self.served) == 1:
                    slow.starts.set()
                return await super().is_served(model)

        client = ReplicaClient(
            {"palo": lambda request: slow}, 60.0, watch=Back(False, False), restart_wait_s=60.0
        )
        return [event async for event in client.events(REQUEST)]

    assert asyncio.run(run())[0] == Started(version="fp_1")
