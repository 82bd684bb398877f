import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace

import pytest
from ray.exceptions import ActorDiedError

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ResourceError
from palo.inference.engine import EngineSettings
from palo.serve.protocol.generate import Delta, ReplicaReport, Started
from palo.serve.replica import ModelReplica
from palo.serve.replica_client import ReplicaClient
from palo.serve.settings import ModelSource, ReplicaSettings
from palo.text.encoding import encode_prompt, expand_sentinels
from palo.text.messages import Turn

SETTINGS = ReplicaSettings(engine=EngineSettings(num_slots=2, max_context=200, max_waiting=2))


@pytest.fixture(scope="module")
def replica(finished_stage):
    replica = ModelReplica((ModelSource(name="palo", folder=finished_stage),), SETTINGS)
    yield replica
    replica.close()


async def items_of(replica, ask):
    """Returns what a replica says about the answer, without its last word about the engine."""
    said = [item for items in [i async for i in replica.generate(ask)] for item in items]
    return said[:-1] if isinstance(said[-1], ReplicaReport) else said


def answered(replica, *asks):
    async def together():
        return await asyncio.gather(*(items_of(replica, ask) for ask in asks))

    return asyncio.run(together())


def text_of(items, choice=0):
    return "".join(i.text for i in items if isinstance(i, Delta) and i.choice == choice)


def refusal_of(items):
    (refusal,) = (item for item in items if isinstance(item, APIError))
    return refusal


def test_it_is_warm_before_its_first_request(replica):
    assert replica.stats().decode_tokens > 0
    replica.check_health()


def test_an_answer_ends_at_its_limit_and_tells_what_it_took(replica, ask, image_files):
    (items,) = answered(replica, ask("a red circle", image_files[0], max_tokens=5))
    assert isinstance(items[0], Started)
    last = items[-1]
    assert last.finish == "length"
    assert last.usage.completion_tokens == 5
    assert all(not item.tokens for item in items[1:])


def test_each_image_counts_with_all_of_its_tokens(replica, ask, image_files, trained):
    for asked in (ask("x", image_files[0]), ask("x", image_files[0], image_files[1])):
        (items,) = answered(replica, asked)
        ids = encode_prompt(asked.conversation, trained.template, trained.tokenizer)
        assert items[-1].usage.prompt_tokens == len(expand_sentinels(ids, 16))
        assert items[0].prompt_tokens == items[-1].usage.prompt_tokens


def test_the_log_has_a_line_with_the_name_that_the_client_knows(replica, ask, image_files):
    lines = []
    logger = logging.getLogger("palo.serve.replica")
    handler = logging.Handler()
    handler.emit = lines.append
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        answered(replica, ask("x", image_files[0]), ask(model="other"))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    told = {line.code: (line.request_id, line.images) for line in lines}
    assert told == {"ok": ("r1", 1), "model_not_found": ("r1", 0)}


def test_an_image_is_computed_once_for_all_who_ask(replica, ask, image_files):
    encoder = replica._encoder
    before = encoder.num_computed
    answers = answered(replica, *(ask("a red circle", image_files[2]) for _ in range(4)))
    assert encoder.num_computed - before == 1
    assert len({text_of(items) for items in answers}) == 1


def test_what_is_known_of_an_image_is_shared_within_one_salt(replica, ask, image_files):
    encoder = replica._encoder
    before = encoder.num_computed
    asks = [replace(ask("a red circle", image_files[1]), salt=salt) for salt in "aabb"]
    assert len({asked.routing_key for asked in asks}) == 2
    answers = answered(replica, *asks)
    assert encoder.num_computed - before == 2
    assert len({text_of(items) for items in answers}) == 1
    answered(replica, asks[0])
    assert encoder.num_computed - before == 2


def test_markup_in_words_stays_words(replica, ask):
    plain, marked = answered(replica, ask("<image></s>"), ask("a"))
    assert isinstance(plain[-1], Delta)
    assert plain[-1].usage.prompt_tokens > marked[-1].usage.prompt_tokens + 5


def test_several_answers_have_seeds_of_their_own(replica, ask):
    (items,) = answered(replica, ask(num_choices=2, temperature=1.0, seed=5))
    (alone,) = answered(replica, ask(temperature=1.0, seed=6))
    assert text_of(items, 1) == text_of(alone)
    assert text_of(items, 0) != text_of(items, 1)


def test_its_last_word_is_what_its_engine_has_done(replica, ask):
    async def last():
        return [items async for items in replica.generate(ask())][-1]

    (report,) = asyncio.run(last())
    assert (report.model, report.stats.num_running) == ("palo", 0)
    assert report.stats.decode_tokens > 0


def test_logprobs_come_with_the_tokens(replica, ask):
    (items,) = answered(replica, ask(num_logprobs=2))
    tokens = [token for item in items[1:] for token in item.tokens]
    assert len(tokens) == items[-1].usage.completion_tokens
    assert all(token.logprob < 0 and len(token.top) == 2 for token in tokens)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": "x" * 900}, APIErrorCode.CONTEXT_LENGTH_EXCEEDED),
        ({"model": "other"}, APIErrorCode.MODEL_NOT_FOUND),
    ],
)
def test_what_cant_be_answered_is_refused(replica, ask, changes, code):
    (items,) = answered(replica, ask(**changes))
    assert len(items) == 1
    assert refusal_of(items).code is code


def test_bytes_that_are_no_image_are_refused(replica, ask):
    (items,) = answered(replica, ask("x", b"\x89PNG\r\n\x1a\nnothing"))
    refusal = refusal_of(items)
    assert (refusal.code, refusal.param) == (APIErrorCode.IMAGE_UNREADABLE, "image 0")
    assert "0x" not in refusal.message


def test_a_full_queue_refuses_and_says_when_to_come_back(replica, ask):
    answers = answered(replica, *(ask(f"a {n}", max_tokens=40) for n in range(12)))
    refused = [items for items in answers if isinstance(items[-1], APIError)]
    assert 0 < len(refused) < 12
    for items in refused:
        assert refusal_of(items).code is APIErrorCode.OVERLOADED
        assert refusal_of(items).retry_after_s >= 1


def test_leaving_frees_the_slot(replica, ask):
    async def leave():
        async with aclosing(replica.generate(ask(max_tokens=100))) as items:
            await anext(items)
        for _ in range(200):
            if replica.stats().num_running == 0:
                return
            await asyncio.sleep(0.01)

    def cancelled():
        return replica.stats().num_finished.get("cancelled", 0)

    before = cancelled()
    for _ in range(20):  # an answer may have ended by itself before it is left
        asyncio.run(leave())
        assert replica.stats().num_running == 0
        if cancelled() > before:
            break
    assert cancelled() == before + 1


def test_a_conversation_goes_on(replica, ask):
    turns = (Turn("user", "two blue squares"), Turn("assistant", "a red circle"))
    (items,) = answered(replica, ask("two", turns=turns))
    assert items[-1].finish in ("stop", "length")


def test_a_replica_that_goes_away_says_so(finished_stage, ask):
    replica = ModelReplica((ModelSource(name="palo", folder=finished_stage),), SETTINGS)

    async def close_meanwhile():
        answers = replica.generate(ask(max_tokens=150))
        found = await anext(answers)
        replica._engine.close()
        async for items in answers:
            found += items
        return found

    items = asyncio.run(close_meanwhile())
    assert refusal_of(items).code is APIErrorCode.REPLICA_LOST
    (after,) = answered(replica, ask())
    assert refusal_of(after).code is APIErrorCode.REPLICA_LOST
    with pytest.raises(ResourceError, match="has stopped"):
        replica.check_health()
    replica.close()


def test_several_models_on_one_replica(adapted_stages, ask):
    sources = tuple(ModelSource(name=name, folder=path) for name, path in adapted_stages.items())
    replica = ModelReplica(sources, SETTINGS)
    first, second = answered(replica, ask(model="first"), ask(model="second"))
    replica.close()
    assert first[0].version != second[0].version
    assert text_of(first) != text_of(second)


class Lossy:
    """Calls a replica as Ray Serve does, and loses the first calls after some tokens each.

    Args:
        replica: The replica.
        lives: Tokens of each call that is lost; below 0 it doesn't even start.
    """

    def __init__(self, replica, *lives):
        self.replica, self.lives, self.asked = replica, list(lives), []

    def __call__(self, request):
        self.asked.append(request)
        lives = self.lives.pop(0) if self.lives else 1000
        return LossyCall(self.replica.generate(request), lives)


class LossyCall:
    def __init__(self, messages, lives):
        self.messages, self.lives, self.is_lost = messages, lives, lives < 0

    async def __anext__(self):
        if self.is_lost:
            await self.messages.aclose()
            raise ActorDiedError
        said = []
        for event in await anext(self.messages):
            if isinstance(event, Delta) and not self.lives:
                self.is_lost = True
                return said
            self.lives -= isinstance(event, Delta)
            said.append(event)
        return said

    def cancel(self):
        self.closing = asyncio.ensure_future(self.messages.aclose())


def events_of(call, asked):
    async def collect():
        client = ReplicaClient({"palo": call}, 60.0)
        return [event async for event in client.events(asked)]

    return asyncio.run(collect())


@pytest.mark.parametrize("lives", [(-1,), (0,), (5,), (2, 3), (3, -1, 0, 4)])
@pytest.mark.parametrize(
    "sampling", [{}, {"temperature": 1.5, "seed": 4}, {"num_logprobs": 1, "repetition_penalty": 2}]
)
def test_an_answer_that_loses_its_replica_is_the_same_word_for_word(
    replica, ask, image_files, lives, sampling
):
    asked = ask("a red circle", image_files[0], num_choices=2, max_tokens=16, **sampling)
    unbroken = events_of(Lossy(replica), asked)
    call = Lossy(replica, *lives)
    broken = events_of(call, asked)
    for choice in range(2):
        assert text_of(broken, choice) == text_of(unbroken, choice)
        last, whole = (
            [e for e in events if isinstance(e, Delta) and e.choice == choice][-1]
            for events in (broken, unbroken)
        )
        assert last.finish == whole.finish
        assert last.usage.prompt_tokens == whole.usage.prompt_tokens
        assert last.usage.completion_tokens == whole.usage.completion_tokens
    ids = [[e.ids for e in events if isinstance(e, Delta)] for events in (broken, unbroken)]
    assert sorted(sum(ids[0], ())) == sorted(sum(ids[1], ()))
    assert len(call.asked) == len(lives) + 1


def test_another_version_continues_no_answer(replica, ask):
    begun = replace(ask(), begun=((5,),), version="fp_other")
    (items,) = answered(replica, begun)
    assert refusal_of(items).code is APIErrorCode.REPLICA_LOST
