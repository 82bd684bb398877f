"""Other backbones on a CUDA device: windows in PyTorch's kernel, and recorded steps."""

from dataclasses import replace

import pytest
import torch
from tests.fixtures.backbones import NEW
from tests.fixtures.words import Words
from tests.unit.inference.conftest import SMALL, generated, ids_of, turn

from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.model.attention_probe import probe

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("windowed", [False, True])
def test_the_kernel_for_variable_lengths_keeps_to_windows(width, windowed):
    probe("palo_varlen", torch.bfloat16, torch.device("cuda"), width, windowed=windowed)


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("static_decode", [False, True])
def test_the_engine_answers_as_transformers_does(name, static_decode, tiny_backbone):
    requests = [
        Request(prompt_ids=list(range(2, 2 + length)), sampling=Sampling(max_tokens=6))
        for length in (3, 40, 21)
    ]
    scheduler = Scheduler(
        tiny_backbone(name).to("cuda"), Words(), replace(SMALL, static_decode=static_decode)
    )
    answers = [ids_of(outputs) for outputs in turn(scheduler, requests)]
    model = tiny_backbone(name)
    assert answers == [generated(model, request)[0] for request in requests]
