"""What every engine does, whoever computes: the built-in one, and vLLM.

vLLM itself runs where it is installed and there is a GPU; elsewhere that skips, and a stand-in
that makes the same calls takes its place.
"""

import asyncio
import importlib.util
import threading
from dataclasses import replace

import pytest
import torch
from tests.unit.inference.conftest import SMALL, Collector, ids_of

from palo.errors import ConfigError, DataError
from palo.inference.engine import EngineClosedError, EngineFullError
from palo.inference.local_engine import LocalEngine
from palo.inference.scheduler import Scheduler
from palo.inference.vllm_engine import VllmEngine, write_language_model


@pytest.fixture(params=["built-in", "vllm-like", "vllm"])
def make_engine(request, tiny_model, words, tmp_path):
    if request.param == "vllm-like":
        request.getfixturevalue("vllm_like")
    if request.param == "vllm":
        if importlib.util.find_spec("vllm") is None:
            pytest.skip("vLLM is not installed: its engine was not tried")
        if not torch.cuda.is_available():
            pytest.skip("vLLM needs a CUDA device here: its engine was not tried")
    engines = []

    def make(**changes):
        settings = replace(SMALL, **changes)
        model = tiny_model()
        if request.param == "built-in":
            engines.append(LocalEngine(Scheduler(model, words, settings)))
            return engines[-1]
        write_language_model(model, tmp_path)
        if request.param == "vllm":
            model = model.to("cuda")
        engines.append(VllmEngine(model, words, settings, tmp_path))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()
        assert not engine.is_running


def test_many_threads_get_their_own_answers(make_engine, make_request, alone):
    engine = make_engine()
    requests = [make_request(n, 5 + n, "cat", "dog") for n in range(5)]
    collectors = [Collector() for _ in requests]
    threads = [
        threading.Thread(target=engine.submit, args=pair)
        for pair in zip(requests, collectors, strict=True)
    ]
    for thread in threads:
        thread.start()
    assert {collector.finish() for collector in collectors} == {"length"}
    for request, collector in zip(requests, collectors, strict=True):
        assert ids_of(collector.outputs) == alone(request)[0]
        usage = collector.outputs[-1].usage
        assert usage.prompt_tokens == 32 + len(request.prompt_ids) - 2
        assert (usage.completion_tokens, usage.first_token_s is None) == (6, False)
    assert engine.is_running
    engine.close()
    stats = engine.stats()
    assert (stats.num_running, stats.num_waiting, stats.first_tokens) == (0, 0, 5)
    assert (stats.num_finished, stats.decode_tokens) == ({"length": 5}, 30)


def test_an_event_loop_streams_and_leaving_cancels(make_engine, make_request, alone):
    engine = make_engine(num_slots=1)
    request = make_request(2, 5)

    async def leave():
        stream = engine.stream(make_request(1, 5, max_tokens=150))
        await anext(stream)
        await stream.aclose()

    async def whole():
        return [output async for output in engine.stream(request)]

    async def both():
        return (await asyncio.gather(leave(), whole()))[1]

    assert ids_of(asyncio.run(both())) == alone(request)[0]
    engine.close()
    assert engine.stats().num_finished == {"cancelled": 1, "length": 1}


def test_stop_ids_stop_texts_and_logprobs(make_engine, make_request, alone):
    engine = make_engine()
    free = make_request(3, 9, "cat", max_tokens=8, num_logprobs=2)
    ids, logprobs = alone(free)
    collector = Collector()
    engine.submit(free, collector)
    assert collector.finish() == "length"
    told = [token for output in collector.outputs for token in output.tokens]
    for token, row in zip(told, logprobs, strict=True):
        assert token.logprob == pytest.approx(float(row[token.id]), abs=1e-3)
        assert [other for other, _ in token.top] == row.topk(2).indices.tolist()
    by_id, by_text = Collector(), Collector()
    last = ids[4]
    engine.submit(make_request(3, 9, "cat", max_tokens=8, stop_ids=(last,)), by_id)
    engine.submit(make_request(3, 9, "cat", max_tokens=8, stop=(f"<{last}>",)), by_text)
    place = ids.index(last)
    for ended in (by_id, by_text):
        assert ended.finish() == "stop"
        text = "".join(output.text for output in ended.outputs)
        assert text == "".join(f"<{token_id}>" for token_id in ids[:place])
        assert ended.outputs[-1].usage.completion_tokens == place + 1


def test_a_full_queue_refuses_and_a_cancelled_request_says_so(make_engine, make_request):
    engine = make_engine(num_slots=1, max_waiting=1)
    running, waiting = Collector(), Collector()
    number = engine.submit(make_request(1, 5, max_tokens=150), running)
    assert running.first.wait(60)
    engine.submit(make_request(2, 5), waiting)
    with pytest.raises(EngineFullError, match="1 waiting"):
        engine.submit(make_request(3, 5), Collector())
    engine.cancel(number)
    assert (running.finish(), waiting.finish()) == ("cancelled", "length")
    engine.cancel(number)


def test_closing_ends_what_is_there(make_engine, make_request):
    engine = make_engine(num_slots=1)
    collectors = [Collector() for _ in range(3)]
    for collector in collectors:
        engine.submit(make_request(1, 5, max_tokens=150), collector)
    engine.close()
    assert [collector.finish() for collector in collectors] == ["cancelled"] * 3
    with pytest.raises(EngineClosedError):
        engine.submit(make_request(1, 5), Collector())


def test_what_cant_be_answered_is_refused_at_once(make_engine, make_request):
    engine = make_engine()
    with pytest.raises(DataError, match="too long"):
        engine.submit(make_request(1, 200), Collector())
    with pytest.raises(DataError, match="no adapter"):
        engine.submit(make_request(1, 5, adapter="other"), Collector())
    assert engine.stats().decode_tokens == 0


def test_a_listener_that_fails_costs_only_its_own_request(make_engine, make_request, alone):
    engine = make_engine()

    def gone(output):
        raise RuntimeError("Event loop is closed")

    engine.submit(make_request(1, 5, max_tokens=150), gone)
    request, collector = make_request(2, 5), Collector()
    engine.submit(request, collector)
    assert collector.finish() == "length"
    assert ids_of(collector.outputs) == alone(request)[0]
    engine.close()
    assert engine.stats().num_finished == {"cancelled": 1, "length": 1}


@pytest.mark.skipif(
    importlib.util.find_spec("vllm") is not None, reason="vLLM is installed: nothing to tell"
)
def test_without_vllm_it_says_what_to_install(tiny_model, words, tmp_path):
    with pytest.raises(ConfigError, match="an environment with vLLM"):
        VllmEngine(tiny_model(), words, SMALL, tmp_path)


def test_vllm_is_told_whose_blocks_a_request_may_find(
    vllm_like, tiny_model, words, tmp_path, make_request
):
    model = tiny_model()
    write_language_model(model, tmp_path)
    engine = VllmEngine(model, words, SMALL, tmp_path)
    salted = replace(make_request(1, 5), salt="key a")
    try:
        for request in (salted, make_request(1, 5)):
            collector = Collector()
            engine.submit(request, collector)
            collector.finish()
        assert engine._vllm.salts == ["key a", None]
    finally:
        engine.close()
