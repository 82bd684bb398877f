import pytest
import torch

from palo.errors import DataError
from palo.evaluate.decoding import decode, greedy, sampler
from palo.evaluate.padding import padded


def test_padding_goes_where_it_is_asked_for():
    ids, mask = padded([[5, 6, 7], [8]], "left")
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    ids, mask = padded([[5, 6, 7], [8]], "right")
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_row_that_has_stopped_stays_silent(tiny_model):
    model = tiny_model()
    prompts = [[5, 6, 7], [8, 9], [10]]
    free = list(decode(model, prompts, None, stop_ids=(), max_new_tokens=8))
    assert all(None not in step for step in free)
    stop = free[3][1]
    steps = list(decode(model, prompts, None, stop_ids=(stop,), max_new_tokens=8))
    for row in range(3):
        alone = [step[row] for step in free]
        length = alone.index(stop) if stop in alone else 8
        assert [step[row] for step in steps if step[row] is not None] == alone[:length]


def test_it_ends_when_every_row_has_stopped(tiny_model):
    model = tiny_model()
    first = next(decode(model, [[5, 6]], None, stop_ids=(), max_new_tokens=1))
    assert list(decode(model, [[5, 6]], None, stop_ids=first, max_new_tokens=8)) == []


def test_real_tokens_with_the_padding_id_are_seen(tiny_model):
    model = tiny_model()
    prompts = [[0, 0, 5, 6, 7], [5, 6, 7]]
    together = list(decode(model, prompts, None, stop_ids=(), max_new_tokens=8))
    for row, prompt in enumerate(prompts):
        alone = list(decode(model, [prompt], None, stop_ids=(), max_new_tokens=8))
        assert [step[row] for step in together] == [step[0] for step in alone]
    assert [step[0] for step in together] != [step[1] for step in together]


def test_the_last_place_of_the_model_ends_an_answer(tiny_model):
    model = tiny_model()
    longest = model.config.text_config.max_position_embeddings
    steps = decode(model, [[5, 6, 7] * 100, [8]], None, stop_ids=(), max_new_tokens=10_000)
    assert len(list(steps)) == longest - 300
    with pytest.raises(DataError, match=rf"too long for the model: {longest} tokens"):
        next(decode(model, [[5] * longest], None, stop_ids=(), max_new_tokens=1))


def test_temperature_zero_is_greedy():
    assert sampler(0.0) is greedy


def test_draws_follow_the_shares_and_the_seed():
    logits = torch.tensor([[1.0, 3.0, 2.0]]).repeat(4000, 1)
    draw = sampler(2.0, seed=1)(logits)
    shares = draw.bincount(minlength=3) / 4000
    assert shares.tolist() == pytest.approx(torch.softmax(logits[0] / 2, 0).tolist(), abs=0.03)
    assert torch.equal(draw, sampler(2.0, seed=1)(logits))
