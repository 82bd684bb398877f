import pytest
from prometheus_client.parser import text_string_to_metric_families

from palo import languages
from palo.api_errors import APIErrorCode
from palo.inference.engine import EngineStats
from palo.inference.request import TokenUsage
from palo.observability.metrics import CANCELLED, OK, EngineMetrics, Metrics

STATS = EngineStats(
    num_waiting=1,
    num_running=2,
    num_slots=8,
    batch_size=3,
    cached_bytes=4096,
    steps=10,
    prefill_tokens=600,
    cached_tokens=300,
    decode_tokens=50,
    num_finished={"stop": 4, "length": 1},
    first_tokens=5,
    first_token_s=1.5,
    step_s=2.5,
)
USAGE = TokenUsage(
    prompt_tokens=600,
    completion_tokens=11,
    cached_tokens=576,
    queue_s=0.2,
    first_token_s=0.3,
    total_s=1.3,
)


def samples(metrics):
    text, content_type = metrics.exposition()
    assert content_type.startswith("text/plain")
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_an_answer_is_counted_by_model_and_language():
    metrics = Metrics(("palo-7b",))
    metrics.start_request()
    metrics.add_completion(model="palo-7b", language="ur", usage=USAGE)
    metrics.end_request(model="palo-7b", language="ur", code=OK, total_s=1.4, num_images=2)
    found = samples(metrics)
    of = ("palo-7b", "ur")
    assert found["palo_requests_total", "ok", *of] == 1
    assert found["palo_open_requests",] == 0
    assert found["palo_prompt_tokens_total", *of] == 600
    assert found["palo_cached_prompt_tokens_total", *of] == 576
    assert found["palo_answer_tokens_total", *of] == 11
    assert found["palo_images_total", *of] == 2
    assert found["palo_first_token_seconds_sum", *of] == pytest.approx(0.3)
    assert found["palo_token_seconds_sum", *of] == pytest.approx(0.1)
    assert found["palo_queue_seconds_sum", *of] == pytest.approx(0.2)
    assert found["palo_request_seconds_count", *of] == 1


def test_every_language_and_every_code_has_its_own_series():
    metrics = Metrics(("m",))
    for code in (*APIErrorCode, OK, CANCELLED):
        for language in languages.codes():
            metrics.start_request()
            metrics.end_request(model="m", language=language, code=code, total_s=0.1)
    counted = [key for key in samples(metrics) if key[0] == "palo_requests_total"]
    assert len(counted) == len(languages.codes()) * (len(APIErrorCode) + 2)


def test_nothing_that_a_client_writes_becomes_a_label():
    metrics = Metrics(("m",))
    for n in range(50):
        metrics.start_request()
        metrics.end_request(model=f"evil-{n}", language=f"x{n}", code=f'"}}\n{n}', total_s=0.1)
    text = metrics.exposition()[0].decode()
    assert "evil" not in text
    assert samples(metrics)["palo_requests_total", "unknown", "unknown", "unknown"] == 50


def test_an_answer_without_tokens_has_no_times():
    metrics = Metrics(("m",))
    nothing = TokenUsage(
        prompt_tokens=3,
        completion_tokens=0,
        cached_tokens=0,
        queue_s=0.1,
        first_token_s=None,
        total_s=1.0,
    )
    metrics.add_completion(model="m", language=None, usage=nothing)
    found = samples(metrics)
    assert ("palo_first_token_seconds_count", "m", "unknown") not in found
    assert found["palo_prompt_tokens_total", "m", "unknown"] == 3


def test_engines_tell_what_they_hold_and_did():
    metrics = Metrics(("m",))
    metrics.set_engine_stats("m", "replica-1", STATS)
    metrics.set_engine_stats("m", "replica-2", STATS)
    found = samples(metrics)
    for replica in ("replica-1", "replica-2"):
        of = ("m", replica)
        assert found["palo_engine_waiting", *of] == 1
        assert found["palo_engine_running", *of] == 2
        assert found["palo_engine_batch_size", *of] == 3
        assert found["palo_engine_prefill_tokens_total", *of] == 600
        assert found["palo_engine_cached_tokens_total", *of] == 300
        assert found["palo_engine_decode_tokens_total", *of] == 50
        assert found["palo_engine_finished_total", *of, "stop"] == 4


def test_a_replica_that_is_gone_is_forgotten():
    now = [0.0]
    engines = EngineMetrics(clock=lambda: now[0])
    engines.update("m", "gone", STATS)
    now[0] = 50
    engines.update("m", "there", STATS)
    now[0] = 70
    waiting = next(family for family in engines.collect() if family.name == "palo_engine_waiting")
    assert [sample.labels["replica"] for sample in waiting.samples] == ["there"]


def test_each_series_is_as_it_is_told():
    metrics = Metrics(("m",))
    metrics.start_request()
    metrics.add_completion(model="m", language="bn", usage=USAGE)
    metrics.end_request(model="m", language="bn", code=OK, total_s=1.0, num_images=1)
    metrics.set_engine_stats("m", "r", STATS)
    told = metrics.series()
    families = text_string_to_metric_families(metrics.exposition()[0].decode())
    written = {
        sample.name: tuple(name for name in sample.labels if name != "le")
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert {name: set(labels) for name, labels in written.items()} == {
        name: set(labels) for name, labels in told.items()
    }


def test_it_is_written_once_a_second_however_many_ask():
    now_s = [5.0]
    metrics = Metrics(["m"], clock=lambda: now_s[0])
    first, _ = metrics.exposition()
    metrics.start_request()
    assert metrics.exposition()[0] is first
    now_s[0] += 1.0
    assert b"palo_open_requests 1.0" in metrics.exposition()[0]
