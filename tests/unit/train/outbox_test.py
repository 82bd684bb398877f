import threading

import pytest

from palo.errors import StorageError
from palo.train.outbox import Outbox


@pytest.fixture
def make_outbox():
    """Makes outboxes that try again at once, and ends them; `said` has what they say."""
    made = []

    def make(patience_s=60.0):
        said = []
        outbox = Outbox(patience_s, said.append, first_wait_s=0.001)
        outbox.said = said
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        outbox.close()


def test_of_each_name_only_the_newest_waits(make_outbox):
    outbox, sent, go = make_outbox(), [], threading.Event()
    outbox.put("first", go.wait)
    for number in range(100):
        outbox.put("lines", lambda number=number: sent.append(number))
    go.set()
    outbox.wait()
    assert sent == [99]


def test_what_may_wait_is_sent_at_once_when_somebody_waits_for_it(make_outbox):
    outbox, sent = make_outbox(), []
    outbox.put("lines", lambda: sent.append(1), delay_s=3600)
    outbox.wait()
    assert sent == [1]


def test_a_refused_parcel_is_sent_again_and_both_is_said(make_outbox):
    outbox, tries = make_outbox(), []

    def send():
        tries.append(1)
        if len(tries) < 4:
            raise StorageError("no route to the store")

    outbox.put("lines", send)
    outbox.wait()
    assert len(tries) == 4
    assert outbox.said[0] == "the run's store is away (no route to the store); training goes on"
    assert outbox.said[1].startswith("the run's store is back after")


def test_after_too_long_the_next_user_is_told(make_outbox):
    outbox = make_outbox(patience_s=0.0)

    def send():
        raise StorageError("no route to the store")

    outbox.put("lines", send)
    with pytest.raises(StorageError, match=r"away for .*: no route to the store"):
        outbox.wait()
    with pytest.raises(StorageError, match="away for"):
        outbox.put("lines", send)


def test_any_other_error_ends_no_thread_silently(make_outbox):
    outbox = make_outbox()

    def send():
        raise KeyError("a defect")

    outbox.put("lines", send)
    with pytest.raises(KeyError):
        outbox.wait()
