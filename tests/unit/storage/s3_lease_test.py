"""A folder on S3 has one holder: others are refused, until it gives it back or dies."""

import json
import signal
import subprocess
import sys
import threading
import time

import pytest
from tests.fixtures.s3 import Answer, make_bucket

from palo import storage
from palo.errors import ResourceError
from palo.storage import s3_lease

_HOLDER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells may have ignored
from palo import storage
with storage.alone_in(storage.path_of(sys.argv[1])):
    print("held", flush=True)
    while True:  # a signal that another thread takes doesn't end a sleep
        time.sleep(0.1)
"""


@pytest.fixture
def elsewhere(monkeypatch):
    """Makes this process one of another machine, by which no process can be looked for."""
    monkeypatch.setattr(s3_lease, "_machine", lambda: "another machine")


@pytest.fixture
def quick(monkeypatch):
    """A lease that ends soon; the store tells times in whole seconds."""
    monkeypatch.setattr(s3_lease, "LEASE_S", 3.0)
    monkeypatch.setattr(s3_lease, "_RENEW_EVERY_S", 0.2)
    monkeypatch.setattr(s3_lease, "_LOOK_EVERY_S", 0.05)


@pytest.fixture
def holder(bucket):
    """A process that holds the folder."""
    command = [sys.executable, "-c", _HOLDER, str(bucket / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def leases(bucket):
    return [path.name for path in (bucket / "run").iterdir()]


def test_a_folder_has_one_holder_who_is_named_and_leaves_nothing(bucket):
    with storage.alone_in(bucket / "run"):
        assert leases(bucket) == [s3_lease.NAME]
        with pytest.raises(ResourceError) as refused, storage.alone_in(bucket / "run"):
            pass
        assert refused.value.fact == "another process is writing in this folder"
        assert "held by process" in refused.value.seen
        with storage.alone_in(bucket / "other"):
            pass
    assert leases(bucket) == []
    with storage.alone_in(bucket / "run"):
        pass


def test_of_many_that_want_it_at_once_one_gets_it(bucket, quick):
    got, refused = [], []
    start, done = threading.Barrier(8), threading.Event()

    def want(number):
        start.wait()
        try:
            with storage.alone_in(bucket / "run"):
                got.append(number)
                done.wait(20)
        except ResourceError:
            refused.append(number)
            if len(refused) == 7:
                done.set()

    threads = [threading.Thread(target=want, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert len(refused) == 7


def test_a_holder_that_was_killed_on_this_machine_is_not_waited_for(bucket, holder):
    with pytest.raises(ResourceError), storage.alone_in(bucket / "run"):
        pass
    holder.kill()
    holder.wait()
    began = time.monotonic()
    with storage.alone_in(bucket / "run"):
        assert time.monotonic() - began < s3_lease.LEASE_S / 2


def test_a_holder_that_was_killed_elsewhere_is_waited_for_until_its_lease_ends(
    bucket, holder, elsewhere, quick, caplog
):
    holder.kill()
    holder.wait()
    with storage.alone_in(bucket / "run"):
        pass
    assert "waiting for" in caplog.text
    assert "held by process" in caplog.text


def test_a_holder_elsewhere_that_renews_its_lease_is_never_robbed(bucket, quick, monkeypatch):
    with storage.alone_in(bucket / "run"):
        monkeypatch.setattr(s3_lease, "_machine", lambda: "another machine")
        with pytest.raises(ResourceError), storage.alone_in(bucket / "run", wait_s=5.0):
            pass


def test_a_holder_that_slept_too_long_loses_the_folder_and_takes_nothing_back(
    bucket, holder, elsewhere, quick
):
    holder.send_signal(signal.SIGSTOP)
    with storage.alone_in(bucket / "run"):
        mine = json.loads((bucket / "run" / s3_lease.NAME).read_bytes())["token"]
        holder.send_signal(signal.SIGCONT)
        holder.send_signal(signal.SIGINT)  # it ends in order, and gives back what it believes its
        holder.wait()
        assert json.loads((bucket / "run" / s3_lease.NAME).read_bytes())["token"] == mine


def test_a_write_that_arrived_though_its_answer_was_lost_is_ones_own(bucket, monkeypatch):
    own = s3_lease._Own(bucket / "run")
    put = own._put
    answers = iter([False])

    def lost(etag):
        put(etag)
        return next(answers, True)

    monkeypatch.setattr(own, "_put", lost)
    assert own.take(time.monotonic())
    own.give_back()
    assert leases(bucket) == []


@pytest.mark.parametrize(
    "answer", [Answer(200, headers=(("ETag", '"a"'),)), Answer(501, "NotImplemented")]
)
def test_a_store_without_conditional_writes_is_told(own_store, answer, caplog):
    place = own_store(lambda request: answer).bucket
    with s3_lease.hold(place / "run", 0.0):
        pass
    assert "has no locks: let only one process write there" in caplog.text


@pytest.mark.ceph
@pytest.mark.timeout(300)
def test_cephs_gateway_has_such_locks(ceph_address, s3_environment):
    folder = make_bucket(ceph_address) / "run"
    with storage.alone_in(folder), pytest.raises(ResourceError), storage.alone_in(folder):
        pass
    assert list(folder.iterdir()) == []
