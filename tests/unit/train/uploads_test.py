import threading

import pytest

from palo.errors import StorageError
from palo.train.uploads import Uploads


@pytest.fixture
def make_uploads():
    """Makes outboxes that try again at once, and ends them; `said` has what they say."""
    made = []

    def make(patience_s=60.0):
        said = []
        uploads = Uploads(patience_s, said.append, first_wait_s=0.001)
        uploads.said = said
        made.append(uploads)
        return uploads

    yield make
    for uploads in made:
        uploads.close()


def test_of_each_name_only_the_newest_waits(make_uploads):
    uploads, sent, go = make_uploads(), [], threading.Event()
    uploads.put("first", go.wait)
    for number in range(100):
        uploads.put("lines", lambda number=number: sent.append(number))
    go.set()
    uploads.wait()
    assert sent == [99]


def test_what_may_wait_is_sent_at_once_when_somebody_waits_for_it(make_uploads):
    uploads, sent = make_uploads(), []
    uploads.put("lines", lambda: sent.append(1), delay_s=3600)
    uploads.wait()
    assert sent == [1]


def test_a_refused_parcel_is_sent_again_and_both_is_said(make_uploads):
    uploads, tries = make_uploads(), []

    def send():
        tries.append(1)
        if len(tries) < 4:
            raise StorageError("no route to the store")

    uploads.put("lines", send)
    uploads.wait()
    assert len(tries) == 4
    assert uploads.said[0] == "the run's store is away (no route to the store); training goes on"
    assert uploads.said[1].startswith("the run's store is back after")


def test_after_too_long_the_next_user_is_told(make_uploads):
    uploads = make_uploads(patience_s=0.0)

    def send():
        raise StorageError("no route to the store")

    uploads.put("lines", send)
    with pytest.raises(StorageError, match=r"away for .*: no route to the store"):
        uploads.wait()
    with pytest.raises(StorageError, match="away for"):
        uploads.put("lines", send)


def test_any_other_error_ends_no_thread_silently(make_uploads):
    uploads = make_uploads()

    def send():
        raise KeyError("a defect")

    uploads.put("lines", send)
    with pytest.raises(KeyError):
        uploads.wait()
