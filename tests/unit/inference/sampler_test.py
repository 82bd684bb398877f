import pytest
import torch
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from palo import config
from palo.errors import ConfigError
from palo.inference.request import Sampling
from palo.inference.sampler import Sampler, sample_tokens

LOGITS = torch.tensor([2.0, -1.0, 0.5, 3.0, 1.0])


def drawn(logits, num=4000, **settings):
    sampler = Sampler(Sampling(seed=3, **settings), [0, 1, -200], len(logits))
    counts = torch.zeros(len(logits))
    for _ in range(num):
        counts[sampler.sample(logits)] += 1
    return counts / num


@pytest.mark.parametrize(
    ("settings", "warpers"),
    [
        ({"temperature": 0.7}, [TemperatureLogitsWarper(0.7)]),
        ({"temperature": 2.0, "top_k": 3}, [TemperatureLogitsWarper(2.0), TopKLogitsWarper(3)]),
        ({"temperature": 1.0, "top_p": 0.8}, [TopPLogitsWarper(0.8)]),
        (
            {"temperature": 1.5, "top_k": 4, "top_p": 0.7, "repetition_penalty": 1.4},
            [
                RepetitionPenaltyLogitsProcessor(1.4),
                TemperatureLogitsWarper(1.5),
                TopKLogitsWarper(4),
                TopPLogitsWarper(0.7),
            ],
        ),
    ],
)
def test_draws_follow_the_shares_of_transformers(settings, warpers):
    expected = LOGITS[None].clone()
    for warper in warpers:
        expected = warper(torch.tensor([[0, 1]]), expected)
    expected = expected.softmax(-1)[0]
    found = drawn(LOGITS, **settings)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=0.03)
    assert not found[expected == 0].any()


@pytest.mark.parametrize("peak", [0.0, 12.0])
def test_a_large_vocabulary_is_cut_at_the_same_ids(peak):
    """Where the first look is enough, and where it isn't."""
    logits = torch.randn(3000, generator=torch.Generator().manual_seed(0))
    logits[:40] += peak
    sampler = Sampler(Sampling(temperature=1.0, top_p=0.9), [], 3000)
    shares, ids = sampler._candidates(logits)
    kept = ids[shares > 0]
    expected = TopPLogitsWarper(0.9)(torch.zeros(1, 0), logits[None])[0]
    assert set(kept.tolist()) == set(expected.isfinite().nonzero()[:, 0].tolist())
    own = logits.softmax(0)
    assert shares[shares > 0].tolist() == pytest.approx(own[kept].tolist(), rel=1e-4)


def test_greedy_is_the_likeliest_and_a_penalty_may_change_it():
    assert Sampler(Sampling(), [], 5).sample(LOGITS) == 3
    assert Sampler(Sampling(temperature=1e-9), [], 5).sample(LOGITS) == 3
    sampler = Sampler(Sampling(repetition_penalty=2.0), [], 5)
    assert sampler.sample(LOGITS) == 3
    sampler.record(3)
    assert sampler.sample(LOGITS) == 0


def test_logprobs_are_of_the_models_own_distribution():
    sampling = Sampling(temperature=1.7, seed=1, num_logprobs=2, repetition_penalty=3.0)
    (token,) = sample_tokens(LOGITS[None], [Sampler(sampling, [3], 5)])
    logprobs = LOGITS.log_softmax(0)
    assert token.logprob == pytest.approx(logprobs[token.id].item())
    assert [i for i, _ in token.top] == [3, 0]
    assert [p for _, p in token.top] == pytest.approx([logprobs[3].item(), logprobs[0].item()])


def test_rows_have_their_own_settings():
    rows = torch.stack([LOGITS, LOGITS.flip(0), LOGITS])
    samplers = [
        Sampler(Sampling(), [], 5),
        Sampler(Sampling(num_logprobs=0), [], 5),
        Sampler(Sampling(temperature=1.0, top_k=1), [], 5),
    ]
    tokens = sample_tokens(rows, samplers)
    assert [token.id for token in tokens] == [3, 1, 3]
    assert [token.logprob is None for token in tokens] == [True, False, True]
    assert tokens[1].top == ()


def test_settings_are_checked():
    wrong = Sampling(
        temperature=-1,
        top_p=0,
        top_k=-1,
        repetition_penalty=0,
        max_tokens=0,
        stop=("", *"abcdefghijklmnop"),
        num_logprobs=21,
    )
    with pytest.raises(ConfigError, match="8 faults"):
        config.check(wrong)
