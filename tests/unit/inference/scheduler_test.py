"""Whatever runs beside it, a request gets the answer that it would get alone."""

import random
from dataclasses import replace

import pytest
import torch
from tests.fixtures.words import Words
from tests.unit.inference.conftest import SENTINEL, SMALL, generated, ids_of, turn

from palo.errors import ConfigError, DataError
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler

SYSTEM = tuple(range(30, 49))


@pytest.fixture
def requests(make_request):
    return [
        make_request(1, 5),
        make_request(2, 40),
        make_request(3, 9, "cat", system=SYSTEM),
        make_request(4, 12, "cat", system=SYSTEM),
        make_request(5, 3, "dog", system=SYSTEM, max_tokens=12),
        make_request(6, 23, "dog", "cat"),
        make_request(7, 1),
        make_request(3, 9, "cat", system=SYSTEM),
    ]


@pytest.mark.parametrize("num_slots", [1, 3, 8])
@pytest.mark.parametrize("prefix_cache_bytes", [0, 2**20])
@pytest.mark.parametrize("static_decode", [False, True])
def test_a_mixed_batch_answers_as_transformers_does_one_by_one(
    make_batcher, requests, alone, num_slots, prefix_cache_bytes, static_decode
):
    scheduler = make_batcher(
        num_slots=num_slots, prefix_cache_bytes=prefix_cache_bytes, static_decode=static_decode
    )
    answers = [ids_of(outputs) for outputs in turn(scheduler, requests)]
    assert answers == [alone(request)[0] for request in requests]
    assert len({tuple(answer) for answer in answers}) == 7, "answers that are alike show nothing"


@pytest.mark.parametrize("prefill_chunk", [8, 64])
def test_chunks_of_any_size_give_the_same(make_batcher, requests, alone, prefill_chunk):
    scheduler = make_batcher(prefill_chunk=prefill_chunk)
    joins = [0, 2, 1, 7, 3, 3, 9, 20]
    answers = [ids_of(outputs) for outputs in turn(scheduler, requests, joins)]
    assert answers == [alone(request)[0] for request in requests]


def test_a_projector_that_gives_fewer_tokens(tiny_model, make_request, images):

    model = tiny_model("ldp")
    requests = [make_request(n, 10 + n, "cat" if n % 2 else "dog") for n in range(4)]
    outputs = turn(Scheduler(model, Words(), SMALL), requests)
    for request, given in zip(requests, outputs, strict=True):
        assert ids_of(given) == generated(model, request)[0]
        assert given[-1].usage.prompt_tokens == 4 + len(request.prompt_ids) - 1


def test_logits_are_those_of_transformers(make_batcher, make_request, alone):
    requests = [
        make_request(n, 4 * n + 1, *["cat"] * (n % 3), system=SYSTEM, num_logprobs=20)
        for n in range(7)
    ]
    worst = 0.0
    for request, outputs in zip(requests, turn(make_batcher(), requests), strict=True):
        ids, logprobs = alone(request)
        tokens = [token for output in outputs for token in output.tokens]
        assert [token.id for token in tokens] == ids
        for token, expected in zip(tokens, logprobs, strict=True):
            assert len(token.top) == 20
            told = [*token.top, (token.id, token.logprob)]
            worst = max(worst, *(abs(expected[i].item() - logprob) for i, logprob in told))
    assert worst < 1e-4  # measured: 1e-5


def test_adapters_in_one_batch(make_batcher, make_request, alone, adapters):
    folders, loaded = adapters
    requests = [
        make_request(n % 4, 9, "cat", system=SYSTEM, adapter=(None, "lora0", "lora1")[n % 3])
        for n in range(12)
    ]
    scheduler = make_batcher(adapters=loaded, num_slots=5)
    answers = [
        ids_of(outputs) for outputs in turn(scheduler, requests, [n // 2 for n in range(12)])
    ]
    assert answers == [alone(request, folders)[0] for request in requests]
    assert len({tuple(answer) for answer in answers}) == 12
    # An adapter's blocks are its own: three times the same beginning was computed.
    assert scheduler.stats().cached_tokens > 0


@pytest.mark.parametrize("seed", range(12))
def test_random_schedules(make_batcher, make_request, alone, adapters, seed):
    """Requests of every kind join and are cancelled at random; nothing else may change."""
    draw = random.Random(seed)
    folders, loaded = adapters
    kinds = [
        make_request(
            n,
            (1, 7, 30)[n % 3],
            *((), ("cat",), ("dog", "dog"))[n // 3 % 3],
            system=SYSTEM[: (0, 19)[n % 2]],
            adapter=(None, None, "lora0", "lora1")[n % 4],
            max_tokens=8,
        )
        for n in range(9)
    ]
    scheduler = make_batcher(
        adapters=loaded,
        num_slots=draw.randint(1, 5),
        prefill_chunk=draw.choice((8, 24, 64)),
        block_tokens=draw.choice((4, 8)),
        prefix_cache_bytes=draw.choice((0, 20_000, 2**20)),
        static_decode=draw.random() < 0.5,
        cpu_kernels=draw.random() < 0.5,
    )
    requests = [draw.choice(kinds) for _ in range(16)]
    joins = [draw.randint(0, 25) for _ in requests]
    leaves = {n: joins[n] + draw.randint(0, 12) for n in draw.sample(range(16), 4)}
    outputs = [[] for _ in requests]
    places, numbers = {}, {}
    step = 0
    while scheduler.has_work or step <= 40:
        for place, request in enumerate(requests):
            if joins[place] == step:
                answer = scheduler.prepare(request)
                scheduler.add(answer)
                places[answer.number], numbers[place] = place, answer.number
            if leaves.get(place) == step and (ended := scheduler.cancel(numbers[place])):
                outputs[place].append(ended[1])
        before = scheduler.stats()
        under_way = {answer.number for answer in scheduler.running if answer.is_decoding}
        given = scheduler.step()
        assert under_way <= {answer.number for answer, _ in given}
        after = scheduler.stats()
        computed = after.prefill_tokens - before.prefill_tokens
        assert computed <= scheduler.settings.prefill_chunk
        assert after.cached_bytes <= scheduler.settings.prefix_cache_bytes
        for answer, output in given:
            outputs[places[answer.number]].append(output)
        step += 1
    for place, (request, received) in enumerate(zip(requests, outputs, strict=True)):
        expected = alone(request, folders)[0]
        assert [output.finish for output in received[:-1]] == [None] * (len(received) - 1)
        if received[-1].finish == "cancelled":
            assert place in leaves
            expected = expected[: len(ids_of(received))]
        assert ids_of(received) == expected
    assert len(scheduler._free) == scheduler.settings.num_slots


def test_a_running_answer_gets_an_id_in_every_step(make_batcher, make_request):
    scheduler = make_batcher(num_slots=4)
    stream = scheduler.prepare(make_request(1, 5, max_tokens=60))
    scheduler.add(stream)
    scheduler.step()
    for number in range(3):
        scheduler.add(scheduler.prepare(make_request(10 + number, 90)))
    steps = 0
    while len(scheduler.running) > 1 or scheduler.num_waiting:
        before = scheduler.stats().prefill_tokens
        given = scheduler.step()
        assert stream in [answer for answer, _ in given]
        assert scheduler.stats().prefill_tokens - before <= 16
        steps += 1
    assert steps > 270 / 16


def test_a_cancelled_request_frees_its_slot_at_once(make_batcher, make_request, alone):
    scheduler = make_batcher(num_slots=1)
    first = scheduler.prepare(make_request(1, 5, max_tokens=50))
    second = scheduler.prepare(make_request(2, 5))
    for answer in (first, second):
        scheduler.add(answer)
    scheduler.step()
    assert [answer for answer, _ in scheduler.step()] == [first]
    ended, output = scheduler.cancel(first.number)
    assert (ended, output.finish, output.usage.completion_tokens) == (first, "cancelled", 2)
    assert [answer for answer, _ in scheduler.step()] == [second]
    assert scheduler.cancel(first.number) is None


def test_a_waiting_request_can_be_cancelled(make_batcher, make_request):
    scheduler = make_batcher(num_slots=1)
    numbers = []
    for n in range(2):
        scheduler.add(answer := scheduler.prepare(make_request(n, 5)))
        numbers.append(answer.number)
    scheduler.step()
    _, output = scheduler.cancel(numbers[1])
    assert output.finish == "cancelled"
    assert output.usage.first_token_s is None
    assert scheduler.num_waiting == 0


def test_a_known_image_costs_only_the_new_words(make_batcher, make_request):
    scheduler = make_batcher()
    turn(scheduler, [make_request(1, 9, "cat", system=SYSTEM)])
    before = scheduler.stats()
    (outputs,) = turn(scheduler, [make_request(2, 12, "cat", system=SYSTEM)])
    # 19 words of the system and 16 places of the image: four whole blocks of eight.
    assert outputs[-1].usage.cached_tokens == 32
    assert outputs[-1].usage.prompt_tokens == 19 + 16 + 12
    assert scheduler.stats().prefill_tokens - before.prefill_tokens == 47 - 32
    (outputs,) = turn(scheduler, [make_request(2, 12, "dog", system=SYSTEM)])
    assert outputs[-1].usage.cached_tokens == 16


def test_an_image_asked_about_twice_at_once_is_computed_once(make_batcher, make_request):
    scheduler = make_batcher(prefill_chunk=64)
    turn(scheduler, [make_request(n, 5, "cat", "cat", "cat", system=SYSTEM[:16]) for n in range(3)])
    assert scheduler.stats().prefill_tokens == 64 + 3 * 5


def test_the_next_turn_of_a_conversation_goes_on_from_the_answer(make_batcher, make_request):
    scheduler = make_batcher()
    first = make_request(1, 9, max_tokens=15)
    (outputs,) = turn(scheduler, [first])
    ids = [*first.prompt_ids, *ids_of(outputs), 50, 51]
    (outputs,) = turn(scheduler, [Request(prompt_ids=ids, sampling=Sampling(max_tokens=2))])
    # The last id of the answer was never computed.
    assert outputs[-1].usage.cached_tokens == (9 + 14) // 8 * 8


def test_an_answer_ends_at_the_end_of_the_context(make_batcher, make_request, alone):
    scheduler = make_batcher()
    (outputs,) = turn(scheduler, [make_request(1, 150, max_tokens=None)])
    assert ids_of(outputs) == alone(make_request(1, 150, max_tokens=10))[0]
    assert outputs[-1].finish == "length"
    (outputs,) = turn(scheduler, [make_request(1, 159, max_tokens=5)])
    assert len(ids_of(outputs)) == 1
    with pytest.raises(DataError, match="too long for the model: 160 tokens"):
        scheduler.prepare(make_request(1, 160))


def test_stop_ids_end_an_answer_and_say_nothing(make_batcher, make_request, alone):
    ids, _ = alone(make_request(1, 5, max_tokens=6))
    (outputs,) = turn(make_batcher(), [make_request(1, 5, stop_ids=(ids[3],))])
    cut = ids.index(ids[3])
    assert ids_of(outputs) == ids[:cut]
    assert outputs[-1].finish == "stop"
    assert outputs[-1].usage.completion_tokens == cut + 1
    assert "".join(output.text for output in outputs) == "".join(f"<{i}>" for i in ids[:cut])


def test_stop_texts_end_an_answer_even_across_ids(make_batcher, make_request, alone):
    ids, _ = alone(make_request(1, 5, max_tokens=6))
    text = "".join(f"<{i}>" for i in ids)
    stop = text[text.index(">", 8) : text.index(">", 8) + 2]
    (outputs,) = turn(make_batcher(), [make_request(1, 5, stop=(stop, "never"))])
    assert "".join(output.text for output in outputs) == text[: text.index(stop)]
    assert outputs[-1].finish == "stop"
    (outputs,) = turn(make_batcher(), [make_request(1, 5, stop=(text + "!",))])
    assert "".join(output.text for output in outputs) == text
    assert outputs[-1].finish == "length"


def test_a_seed_gives_the_same_alone_and_in_a_batch(make_batcher, make_request):
    def asked(n):
        return make_request(
            n % 3,
            9,
            "cat",
            max_tokens=10,
            temperature=1.5,
            top_p=(1.0, 0.9)[n % 2],
            top_k=(0, 0, 30)[n % 3],
            repetition_penalty=(1.0, 1.3)[n // 2 % 2],
            seed=n,
        )

    requests = [asked(n) for n in range(8)]
    single = [ids_of(turn(make_batcher(), [request])[0]) for request in requests]
    together = [
        ids_of(o) for o in turn(make_batcher(num_slots=8), requests, [0, 1, 1, 2, 3, 5, 5, 9])
    ]
    assert together == single
    assert len({tuple(ids) for ids in single}) == 8


def test_without_a_seed_answers_differ(make_batcher, make_request):
    requests = [make_request(1, 5, max_tokens=12, temperature=2.0) for _ in range(4)]
    assert len({tuple(ids_of(o)) for o in turn(make_batcher(), requests)}) == 4


def test_memory_for_kept_blocks_is_bounded(make_batcher, make_request):
    scheduler = make_batcher()
    block_bytes = scheduler._prefix_cache.block_bytes
    assert block_bytes == 2 * 2 * 2 * 12 * 8 * 4  # layers, keys and values, heads, width, ids, fp32
    bounded = make_batcher(prefix_cache_bytes=5 * block_bytes + 1)
    turn(bounded, [make_request(n, 50) for n in range(4)])
    assert bounded.stats().cached_bytes == 5 * block_bytes


def test_what_can_not_be_answered_is_refused(make_batcher, make_request, images):
    scheduler = make_batcher()
    with pytest.raises(DataError, match=r"no adapter of this name: formal\. It has none"):
        scheduler.prepare(make_request(1, 5, adapter="formal"))
    with pytest.raises(ConfigError, match="top_p is 0"):
        scheduler.prepare(make_request(1, 5, top_p=0))
    with pytest.raises(ValueError, match="1 places for images and 0 image ids"):
        scheduler.prepare(Request(prompt_ids=[5, SENTINEL]))
    with pytest.raises(ValueError, match="0 places for images and 1 image ids"):
        scheduler.prepare(Request(prompt_ids=[5], image_ids=("cat",), features=images))
    with pytest.raises(ValueError, match=r"image cow needs features of shape \(16, 32\)"):
        scheduler.prepare(Request(prompt_ids=[SENTINEL], image_ids=("cow",), features=images))
    with pytest.raises(ValueError, match="id 99 is none"):
        scheduler.prepare(Request(prompt_ids=[99]))
    with pytest.raises(ValueError, match="at least one id"):
        scheduler.prepare(Request(prompt_ids=[]))
    assert not scheduler.has_work


def test_run_answers_here_and_cancels_what_is_left(make_batcher, make_request, alone):
    scheduler = make_batcher()
    requests = [make_request(n, 6) for n in range(5)]
    answers = [[] for _ in requests]
    for place, output in scheduler.run(requests):
        answers[place].append(output)
    assert [ids_of(outputs) for outputs in answers] == [alone(r)[0] for r in requests]
    left = scheduler.run(requests)
    next(left)
    left.close()
    assert not scheduler.has_work
    assert scheduler.stats().num_finished == {"length": 5, "cancelled": 5}


def test_two_batchers_share_one_model(tiny_model, make_request, alone):

    model = tiny_model()
    sizes = replace(SMALL, cpu_kernels=False)  # which keep weights of their own
    first, second = Scheduler(model, Words(), sizes), Scheduler(model, Words(), sizes)
    request = make_request(3, 20)
    assert ids_of(turn(first, [request])[0]) == alone(request)[0]
    assert ids_of(turn(second, [request])[0]) == alone(request)[0]
    weights = [
        one._model_runner._runner._stack.blocks[1].linears["qkv"].weight for one in (first, second)
    ]
    assert weights[0].data_ptr() == weights[1].data_ptr()
    ids = torch.tensor([request.prompt_ids])
    assert (
        model.generate(ids, max_new_tokens=6, do_sample=False)[0, 20:].tolist() == alone(request)[0]
    )


@pytest.mark.parametrize(
    "sampling",
    [
        {},
        {"temperature": 1.3, "seed": 5},
        {"temperature": 1.3, "seed": 5, "top_p": 0.8, "repetition_penalty": 1.5},
    ],
)
@pytest.mark.parametrize("num_begun", [1, 7, 19])
def test_an_answer_that_another_engine_has_begun_goes_on_as_it_would_have(
    make_batcher, make_request, sampling, num_begun
):
    whole = make_request(2, 20, "cat", max_tokens=20, **sampling)
    (outputs,) = turn(make_batcher(), [whole])
    ids = ids_of(outputs)
    resumed = replace(whole, begun_ids=tuple(ids[:num_begun]))
    (rest,) = turn(make_batcher(), [resumed])
    assert ids_of(rest) == ids[num_begun:]
    text_before = "".join(output.text for output in outputs[:num_begun])
    assert text_before + "".join(output.text for output in rest) == "".join(
        output.text for output in outputs
    )
    counts = [
        (each[-1].usage.prompt_tokens, each[-1].usage.completion_tokens) for each in (outputs, rest)
    ]
    assert counts[0] == counts[1]


def test_a_stop_text_may_begin_before_the_engine_was_lost(make_batcher, make_request):
    free = make_request(2, 20, max_tokens=20)
    (outputs,) = turn(make_batcher(), [free])
    texts = [output.text for output in outputs]
    stop = "".join(texts[5:8])
    stopped = replace(free, sampling=replace(free.sampling, stop=(stop,)))
    (whole,) = turn(make_batcher(), [stopped])
    ids = ids_of(whole)
    num_sent = len(ids) - 1  # the replica is lost within the stop text
    (rest,) = turn(make_batcher(), [replace(stopped, begun_ids=tuple(ids[:num_sent]))])
    sent = "".join(output.text for output in whole[:num_sent])
    assert sent + "".join(output.text for output in rest) == "".join(
        output.text for output in whole
    )
    assert rest[-1].finish == "stop"


def test_a_begun_answer_holds_only_ids_of_the_model_and_leaves_room(make_batcher, make_request):
    request = make_request(1, 5)
    with pytest.raises(ValueError, match="none of the model's"):
        make_batcher().prepare(replace(request, begun_ids=(-200,)))
    with pytest.raises(DataError, match="too long"):
        make_batcher().prepare(replace(request, begun_ids=(1,) * 155))
