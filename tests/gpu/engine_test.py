"""The engine on a CUDA device, with recorded steps and without, against the CPU."""

import copy
from dataclasses import replace

import pytest
import torch

from palo.inference.engine import EngineSettings
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler

pytestmark = pytest.mark.gpu

SETTINGS = EngineSettings(num_slots=5, max_context=256, prefill_chunk=16, block_tokens=8)


def answers(scheduler, requests):
    found = [[] for _ in requests]
    for place, output in scheduler.run(requests):
        found[place] += [token.id for token in output.tokens]
    return found


@pytest.fixture
def requests():
    torch.manual_seed(1)
    features = {name: torch.randn(16, 32) * 3 for name in ("cat", "dog")}
    made = []
    for number in range(9):
        names = ((), ("cat",), ("dog", "cat"))[number % 3]
        ids = torch.randint(2, 99, (5 + 9 * number,)).tolist()
        sampling = Sampling(max_tokens=10 + number)
        made.append(
            Request(
                prompt_ids=[*[-200] * len(names), *ids],
                image_ids=names,
                features=features,
                sampling=sampling,
            )
        )
    return made


@pytest.mark.parametrize("static_decode", [False, True])
def test_a_gpu_answers_as_a_cpu_does(tiny_model, words, requests, static_decode):
    model = tiny_model()
    expected = answers(Scheduler(model, words, SETTINGS), requests)
    on_gpu = copy.deepcopy(model).to("cuda")
    settings = replace(SETTINGS, static_decode=static_decode)
    scheduler = Scheduler(on_gpu, words, settings)
    assert answers(scheduler, requests) == expected
    assert bool(scheduler._model_runner._decoder._graphs) == static_decode
    # Once more, from kept blocks and recorded steps alone.
    assert answers(scheduler, requests) == expected


def test_bfloat16_answers_are_whole(tiny_model, words, requests):
    model = tiny_model().to("cuda", torch.bfloat16)
    scheduler = Scheduler(model, words, replace(SETTINGS, static_decode=True))
    found = answers(scheduler, requests)
    assert [len(ids) for ids in found] == [10 + number for number in range(9)]
