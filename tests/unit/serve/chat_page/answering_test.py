import asyncio
import itertools

import pytest

from palo.api_errors import APIErrorCode
from palo.client import AsyncChatClient, ChatQuestion, Endpoint, EndpointError, Usage, user
from palo.client.answers import AnswerReader
from palo.serve.chat_page.answering import AnswerProgress, RunningAnswers, progress_of


@pytest.fixture
def follow(chat_server):
    """Follows the answer to some words; returns its texts as they grew, and its end."""

    def run(words):
        async def talk():
            stop = asyncio.Event()
            question = ChatQuestion(model="palo-7b", messages=(user(words),))
            seen = []
            async for progress in progress_of(
                AsyncChatClient(Endpoint(url=chat_server.url)), question, stop
            ):
                seen.append(progress.text)
            return seen, progress

        return asyncio.run(talk())

    return run


def test_an_answer_grows_until_its_end_and_is_timed(follow):
    seen, last = follow("slowly এক দুই তিন চার পাঁচ ছয় সাত আট")
    assert seen[-1] == "এক দুই তিন চার পাঁচ ছয় সাত আট"
    assert len(seen) > 2
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(seen))
    assert (last.num_tokens, last.stopped, last.error, last.at_limit) == (8, False, None, False)
    assert 0 < last.first_s < last.last_s
    assert last.tokens_per_s == pytest.approx(7 / (last.last_s - last.first_s))


@pytest.mark.parametrize("words", ["forever", "wait"])
def test_stopping_ends_the_answer_on_the_server_too(follow, chat_server, words):
    async def stop_when_asked(stop):
        while not chat_server.asked:
            await asyncio.sleep(0.01)
        stop.set()

    async def talk():
        stop = asyncio.Event()
        question = ChatQuestion(model="palo-7b", messages=(user(words),))
        if words == "wait":
            stopping = asyncio.create_task(stop_when_asked(stop))
        async for progress in progress_of(
            AsyncChatClient(Endpoint(url=chat_server.url)), question, stop
        ):
            if progress.text:
                stop.set()
        if words == "wait":
            await stopping
        return progress

    last = asyncio.run(talk())
    assert last.stopped
    assert bool(last.text) == (words == "forever")
    assert chat_server.left.wait(5)


def test_leaving_early_ends_the_answer_on_the_server(chat_server):
    async def leave():
        question = ChatQuestion(model="palo-7b", messages=(user("forever"),))
        steps = progress_of(
            AsyncChatClient(Endpoint(url=chat_server.url)), question, asyncio.Event()
        )
        await anext(steps)
        await steps.aclose()

    asyncio.run(leave())
    assert chat_server.left.wait(5)


def test_an_error_keeps_what_came_before_it(follow):
    _, last = follow("fail replica_lost")
    assert (last.text, last.error.code) == ("half ", APIErrorCode.REPLICA_LOST)
    _, last = follow("refuse overloaded")
    assert (last.text, last.error.code, last.first_s) == ("", APIErrorCode.OVERLOADED, None)


def test_an_answer_that_comes_in_one_moment_is_as_fast_as_its_whole_time():
    assert AnswerProgress().tokens_per_s == 0
    reading = AnswerReader(usage=Usage(prompt_tokens=1, completion_tokens=8))
    assert AnswerProgress(first_s=2.0, last_s=2.01, reading=reading).tokens_per_s == 8 / 2.01
    assert AnswerProgress(first_s=2.0, last_s=2.5, reading=reading).tokens_per_s == 14


def test_the_answers_of_a_page_are_stopped_together():
    running = RunningAnswers(3, 3)
    with running.begun("b", "v") as other:
        with running.begun("a", "v") as first:
            with running.begun("a", "v") as second:
                running.stop("a")
                stopped = (first.is_set(), second.is_set(), other.is_set())
                assert stopped == (True, True, False)
            assert running.busy("a")
        assert not running.busy("a")
        running.stop("nobody")


@pytest.mark.parametrize(
    ("bounds", "code"), [((1, 9), "rate_limit_exceeded"), ((9, 1), "overloaded")]
)
def test_so_many_answers_run_at_once(bounds, code):
    running = RunningAnswers(*bounds)
    with (
        running.begun("a", "v"),
        pytest.raises(EndpointError) as caught,
        running.begun("b", "v"),
    ):
        pytest.fail("there was no place")
    assert caught.value.code == code
    with running.begun("b", "v"):
        pass
