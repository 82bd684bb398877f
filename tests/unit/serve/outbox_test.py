"""Tokens travel one by one while that is cheap, and together while it isn't."""

import asyncio
import threading

import pytest

from palo.inference.request import Output
from palo.serve.outbox import Outbox, message_pause_s

END = Output(text="z", finish="stop")


def texts(outputs):
    return [output.text for _, output in outputs]


def put_elsewhere(box, *outputs):
    """Puts outputs on another thread, as an engine does."""
    thread = threading.Thread(target=lambda: [box.put(0, output) for output in outputs])
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("num_streams", "num_cpus", "shortest", "longest"),
    [(1, 2, 0.0, 0.04), (8, 2, 0.2, 0.25), (8, 64, 0.0, 0.01), (1000, 2, 0.25, 0.25)],
)
def test_the_pause_follows_the_load_and_the_machine(num_streams, num_cpus, shortest, longest):
    assert shortest <= message_pause_s(num_streams, num_cpus) <= longest


def test_without_a_pause_each_token_goes_by_itself():
    async def run():
        box = Outbox(lambda: 0.0)
        messages = []
        for text in "abc":
            put_elsewhere(box, Output(text=text))
            messages.append(texts(await box.take()))
        return messages

    assert asyncio.run(run()) == [["a"], ["b"], ["c"]]


def test_in_a_pause_tokens_wait_for_the_end_of_the_answer():
    async def run():
        box = Outbox(lambda: 3600.0)
        put_elsewhere(box, Output(text="a"))
        first = texts(await box.take())
        put_elsewhere(box, Output(text="b"), Output(text="c"))
        taking = asyncio.ensure_future(box.take())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not taking.done()
        put_elsewhere(box, END)
        last = texts(await taking)
        box.close()
        return first, last

    assert asyncio.run(run()) == (["a"], ["b", "c", "z"])


def test_the_end_of_the_pause_sends_what_waits():
    async def run():
        pauses = iter([0.01, 3600.0, 3600.0])
        box = Outbox(lambda: next(pauses))
        put_elsewhere(box, Output(text="a"))
        await box.take()
        put_elsewhere(box, Output(text="b"))
        return texts(await asyncio.wait_for(box.take(), 60))

    assert asyncio.run(run()) == ["b"]


def test_a_closed_box_has_no_timer():
    async def run():
        box = Outbox(lambda: 3600.0)
        put_elsewhere(box, Output(text="a"))
        await box.take()
        put_elsewhere(box, Output(text="b"))
        await asyncio.sleep(0)
        assert box._timer is not None
        box.close()
        assert box._timer is None

    asyncio.run(run())
