"""Threads, event loops, a full queue, and faults."""

import asyncio
import copy
import pickle

import pytest
from tests.unit.inference.conftest import WAIT_S, Collector, ids_of

from palo.inference.engine import (
    EngineFailedError,
    EngineFullError,
    queue_full_error,
)
from palo.inference.local_engine import LocalEngine
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.text.encoding import encode_prompt, stop_ids
from palo.text.messages import Conversation, Turn


@pytest.fixture
def make_engine(make_batcher):
    engines = []

    def make(**settings):
        engines.append(LocalEngine(make_batcher(**settings)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()
        assert not engine._thread.is_alive()


def test_a_full_queue_refuses_and_says_when_to_come_back(make_engine, make_request):
    engine = make_engine(num_slots=1, max_waiting=2)
    running = Collector()
    number = engine.submit(make_request(1, 5, max_tokens=150), running)
    assert running.first.wait(WAIT_S)
    waiting = [Collector() for _ in range(2)]
    for collector in waiting:
        engine.submit(make_request(2, 5), collector)
    with pytest.raises(EngineFullError, match="2 waiting") as refusal:
        engine.submit(make_request(3, 5), Collector())
    assert refusal.value.retry_after_s >= 1
    engine.cancel(number)
    assert running.finish() == "cancelled"
    assert [collector.finish() for collector in waiting] == ["length", "length"]
    engine.cancel(number)


def test_those_who_find_free_slots_do_not_wait(make_engine, make_request):
    engine = make_engine(num_slots=3, max_waiting=1)
    collectors = [Collector() for _ in range(4)]
    for number, collector in enumerate(collectors):
        engine.submit(make_request(number, 5), collector)
    assert [collector.finish() for collector in collectors] == ["length"] * 4


def test_refusals_survive_pickling():
    full = queue_full_error(3, 2.5)
    again = pickle.loads(pickle.dumps(full))
    assert type(again) is EngineFullError
    assert (again.retry_after_s, str(again)) == (2.5, str(full))
    assert "3 waiting" in str(again)
    failed = EngineFailedError("a", seen="b", fix="C.")
    assert str(pickle.loads(pickle.dumps(failed))) == "a: b. C."
    assert str(copy.copy(failed)) == str(failed)


def test_a_step_that_fails_ends_its_requests_and_no_other(
    make_engine, make_request, monkeypatch, alone
):
    engine = make_engine(num_slots=1)
    step, failures = engine._scheduler.step, []

    def failing():
        if not failures and engine._scheduler.num_waiting == 0:
            failures.append(1)
            raise MemoryError
        return step()

    collectors = [Collector(), Collector()]
    engine.submit(make_request(1, 5, max_tokens=150), collectors[0])
    assert collectors[0].first.wait(WAIT_S)
    monkeypatch.setattr(engine._scheduler, "step", failing)
    assert collectors[0].finish() == "error"
    error = collectors[0].outputs[-1].error
    assert isinstance(error, EngineFailedError)
    assert error.seen == "MemoryError"
    request = make_request(2, 5)
    engine.submit(request, collectors[1])
    assert collectors[1].finish() == "length"
    assert ids_of(collectors[1].outputs) == alone(request)[0]


def test_a_finished_model_speaks_in_whole_characters(trained, asked):
    questions = [Conversation((Turn("user", question.question),)) for question in asked[:6]]
    requests = [
        Request(
            prompt_ids=encode_prompt(question, trained.template, trained.tokenizer),
            sampling=Sampling(
                max_tokens=40,
                stop_ids=stop_ids(trained.template, trained.tokenizer),
                seed=n,
                temperature=1.0,
            ),
        )
        for n, question in enumerate(questions)
    ]

    async def ask(engine, request):
        return [output async for output in engine.stream(request)]

    async def ask_all(engine):
        return await asyncio.gather(*[ask(engine, request) for request in requests])

    with LocalEngine(Scheduler(trained.model, trained.tokenizer)) as engine:
        answers = asyncio.run(ask_all(engine))
    for outputs in answers:
        whole = trained.tokenizer.decode(ids_of(outputs))
        assert "".join(output.text for output in outputs) == whole.replace("\ufffd", "")
        assert not any("\ufffd" in output.text for output in outputs)
    assert any(len(output.tokens) and not output.text for outputs in answers for output in outputs)
