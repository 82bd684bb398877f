"""The serving bench's clients notice how a request ends, and the drill what that means."""

import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from tests.conftest import ROOT
from tests.fixtures.chat_server import running_chat_server

_OWN = ("resuming", "serving")


@pytest.fixture(scope="module")
def bench():
    """The bench's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from serving import clients, drill, overhead, routing
        from serving.settings import ServeBench

        yield SimpleNamespace(
            clients=clients, drill=drill, overhead=overhead, routing=routing, settings=ServeBench
        )
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("say one two", "answered"),
        ("refuse overloaded", "refused: overloaded"),
        ("fail replica_lost", "told in the stream: replica_lost"),
        ("cut", "LOST: "),
        ("nonsense", "LOST: JSONDecodeError"),
    ],
)
def test_every_outcome_has_a_name(bench, words, expected):
    with running_chat_server() as chat:
        bodies = [bench.clients.request_body("palo-7b", words, 8)] * 3
        outcomes = bench.clients.ConcurrentClients(chat.url, bodies, 2).join()
    assert len(outcomes) == 3
    for outcome in outcomes:
        assert outcome.outcome.startswith(expected)
        assert outcome.is_answered == (expected == "answered")
        assert outcome.is_lost == expected.startswith("LOST")


def test_clients_that_are_stopped_send_no_more(bench):
    with running_chat_server() as chat:
        endless = iter(lambda: bench.clients.request_body("palo-7b", "say one", 8), None)
        running = bench.clients.ConcurrentClients(chat.url, endless, 2)
        running.wait(5)
        running.stop()
        outcomes = running.join()
    assert len(outcomes) >= 5
    assert all(outcome.is_answered for outcome in outcomes)


def test_the_drill_counts_what_is_lost_and_what_is_old(bench):
    ended = [
        ("answered", 1.0, "old"),
        ("answered", 5.0, "old"),
        ("answered", 6.0, "new"),
        ("told in the stream: replica_lost", 2.0, "old"),
        ("LOST: cut off", 3.0, ""),
    ]
    outcomes = [
        bench.clients.RequestOutcome(outcome=outcome, sent_s=at, version=version)
        for outcome, at, version in ended
    ]
    figures = {each.name: each for each in bench.drill._figures(outcomes, 4.0)}
    assert {name: figure.value for name, figure in figures.items()} == {
        "drill_answered": 3,
        "drill_errors_with_a_code": 1,
        "drill_lost": 1,
        "drill_answered_after_the_roll": 2,
        "drill_old_version_after_the_roll": 1,
    }
    assert not figures["drill_lost"].met
    assert not figures["drill_old_version_after_the_roll"].met


def test_a_fifth_of_the_images_gets_four_fifths_of_the_questions(bench):
    settings = bench.settings(routed_images=10, routed_questions=400)
    urls = [
        body["messages"][0]["content"][0]["image_url"]["url"]
        for body in bench.routing._questions(settings)
    ]
    counts = sorted((urls.count(url) for url in set(urls)), reverse=True)
    assert len(counts) == 10
    assert sum(counts[:2]) / 400 == pytest.approx(0.8, abs=0.06)


def test_the_processor_time_of_a_request_counts_what_others_work_for_it(bench):
    before_s = bench.overhead._processor_s()
    busy = "sum(range(10**7))"
    with subprocess.Popen(
        [sys.executable, "-c", f"{busy}; input()"], stdin=subprocess.PIPE
    ) as child:
        while psutil.Process(child.pid).cpu_times().user < 0.05:
            pass
        assert bench.overhead._processor_s() >= before_s + 0.05
    settings = bench.settings(served_requests=16)
    (figure,) = bench.overhead._costs(settings, {("served", 8): [8.0, 24.0]})
    assert (figure.name, figure.value) == ("served_8_clients_processor_s", 1.0)
