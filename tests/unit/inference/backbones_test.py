"""The engine with each backbone gives what transformers gives one by one."""

from dataclasses import replace

import pytest
import torch
from tests.fixtures.backbones import NEW, WINDOW
from tests.fixtures.words import Words
from tests.unit.inference.conftest import SMALL, generated, ids_of, turn

from palo.inference.adapters import load_adapter
from palo.inference.layer_kinds import layer_kinds
from palo.inference.scheduler import Scheduler
from palo.model.lora import LoraSettings, attach_lora


@pytest.fixture
def requests(make_request):
    """Below and above the window, with a shared beginning, in several chunks."""
    system = tuple(range(30, 49))
    return [
        make_request(1, 3),
        make_request(2, 40),
        make_request(3, 9, "cat", system=system),
        make_request(4, 12, "cat", system=system),
        make_request(6, 23, "dog", "cat", max_tokens=12),
        make_request(3, 9, "cat", system=system),
    ]


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("cpu_kernels", [False, True])
@pytest.mark.parametrize("static_decode", [False, True])
def test_a_mixed_batch_answers_as_transformers_does(
    name, cpu_kernels, static_decode, tiny_backbone, requests
):
    if static_decode and cpu_kernels:
        pytest.skip("static decoding uses PyTorch's attention")
    settings = replace(SMALL, cpu_kernels=cpu_kernels, static_decode=static_decode)
    scheduler = Scheduler(tiny_backbone(name), Words(), settings)
    answers = [ids_of(outputs) for outputs in turn(scheduler, requests, [0, 1, 0, 4, 2, 9])]
    model = tiny_backbone(name)
    assert answers == [generated(model, request)[0] for request in requests]
    assert len({tuple(answer) for answer in answers}) == 5, "answers that are alike show nothing"


@pytest.mark.parametrize("name", ["qwen3", "gemma3"])
def test_in_bfloat16_logits_are_as_close_as_transformers_own(name, tiny_backbone, make_request):
    request = make_request(2, 40, num_logprobs=1)
    exact = generated(tiny_backbone(name), request)[1][0]
    rough = generated(tiny_backbone(name).bfloat16(), request)[1][0].float()
    (outputs,) = turn(Scheduler(tiny_backbone(name).bfloat16(), Words(), SMALL), [request])
    token = outputs[0].tokens[0]
    allowed = float((rough - exact).abs().max())
    assert token.logprob == pytest.approx(float(exact[token.id]), abs=allowed)


@pytest.mark.parametrize("name", ["qwen3", "gemma3"])
def test_an_adapter_beside_the_weights_is_the_merged_one(name, tiny_backbone, tmp_path, requests):
    wrapped = attach_lora(tiny_backbone(name), LoraSettings(rank=4, alpha=8, dropout=0.0))
    torch.manual_seed(9)
    for key, parameter in wrapped.named_parameters():
        if ".lora_B." in key:
            parameter.data = torch.randn_like(parameter) * 0.3
    wrapped.save_pretrained(tmp_path)
    model = tiny_backbone(name)
    scheduler = Scheduler(model, Words(), SMALL, {"mine": load_adapter(tmp_path, model)})
    asked = [replace(request, adapter="mine") for request in requests]
    answers = [ids_of(outputs) for outputs in turn(scheduler, asked)]
    merged = wrapped.merge_and_unload().eval()
    assert answers == [generated(merged, request)[0] for request in requests]
    plain = tiny_backbone(name)
    assert answers != [generated(plain, request)[0] for request in requests]


def test_a_window_that_holds_the_longest_sequence_is_none(tiny_backbone):
    model = tiny_backbone("gemma3")
    windows = [kind.window for kind in layer_kinds(model, WINDOW + 1).kinds]
    assert windows == [WINDOW, None]
    assert [kind.window for kind in layer_kinds(model, WINDOW).kinds] == [None, None]
    assert layer_kinds(model, WINDOW).of_layer == [0, 1, 0]


def test_layers_turn_by_the_angles_of_their_kind(tiny_backbone):
    first, other = layer_kinds(tiny_backbone("gemma3"), 20).kinds
    assert not torch.allclose(first.tables.cosines, other.tables.cosines)
