"""LoRA layers as one operation against PEFT's, on one model with one seed."""

import pytest
import torch
from peft.tuners.lora.layer import Linear

from palo import config
from palo.errors import ConfigError, MismatchError
from palo.model.fused_lora import DropoutMasks, FusedLoraLinear, fuse_lora
from palo.model.lora import LoraSettings, attach_lora

_WORDS = torch.arange(1, 40)[None]


def model_of(tiny_model, **settings):
    """A model with an adapter whose B matrices aren't zero, the same each time."""
    torch.manual_seed(0)
    model = attach_lora(tiny_model(), LoraSettings(rank=4, alpha=8, **settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model.train()


def gradients(model, seed=1):
    torch.manual_seed(seed)
    loss = model(input_ids=_WORDS, labels=_WORDS).loss
    loss.backward()
    names = {n: p.grad for n, p in model.named_parameters() if "lora_" in n}
    return loss.detach(), names


@pytest.mark.proof
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_loss_and_gradients_are_those_of_peft(tiny_model, dropout, prove):
    plain = gradients(model_of(tiny_model, dropout=dropout))
    model = model_of(tiny_model, dropout=dropout, fused=True)
    fused = gradients(model)
    layers = [one for one in model.modules() if isinstance(one, Linear)]
    assert len(layers) == 14
    assert all(type(one) is FusedLoraLinear for one in layers)
    assert fused[1].keys() == plain[1].keys()
    largest = max(float((fused[1][n] - one).abs().max()) for n, one in plain[1].items())
    assert min(float(one.abs().max()) for one in plain[1].values()) > 1e-4
    what = f"fused LoRA, dropout {dropout}"
    prove(what, "difference of the loss", float((fused[0] - plain[0]).abs()), 1e-5)
    prove(what, "difference of a gradient", largest, 1e-6)


def test_an_answer_and_a_switched_off_adapter_are_those_of_peft(tiny_model):
    plain = model_of(tiny_model, dropout=0.3).eval()
    fused = model_of(tiny_model, dropout=0.3, fused=True).eval()
    assert plain.state_dict().keys() == fused.state_dict().keys()
    torch.testing.assert_close(fused(input_ids=_WORDS).logits, plain(input_ids=_WORDS).logits)
    with plain.disable_adapter(), fused.disable_adapter():
        assert torch.equal(fused(input_ids=_WORDS).logits, plain(input_ids=_WORDS).logits)


def test_recomputation_drops_the_same_numbers_again(tiny_model):
    kept = gradients(model_of(tiny_model, dropout=0.3, fused=True, shared_dropout=True))
    model = model_of(tiny_model, dropout=0.3, fused=True, shared_dropout=True)
    model.base_model.model.activation_checkpointing_enable({"use_reentrant": False})
    again = gradients(model)
    assert again[0] == kept[0]
    assert all(torch.equal(again[1][name], one) for name, one in kept[1].items())


def test_layers_with_one_input_share_what_is_dropped(tiny_model):
    model = model_of(tiny_model, dropout=0.5, fused=True, shared_dropout=True)
    layer = model.base_model.model.language_model.model.layers[0]
    attention = layer.self_attn
    assert attention.q_proj.masks is attention.k_proj.masks is attention.v_proj.masks
    assert layer.mlp.gate_proj.masks is layer.mlp.up_proj.masks
    assert attention.o_proj.masks is not attention.q_proj.masks
    own = model_of(tiny_model, dropout=0.5, fused=True)
    assert gradients(model)[0] != gradients(own)[0]


def test_a_mask_serves_each_layer_once_and_is_made_anew_for_another_input():
    masks = DropoutMasks(2)
    x, y = torch.randn(4, 100), torch.randn(4, 100)
    first = masks.of(x, 0.25)
    assert masks.of(x, 0.25) is first
    assert masks.of(x, 0.25) is not first
    assert masks.of(y, 0.25) is not masks.of(x, 0.25)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert 0.6 < float(first.mean()) < 0.9


def test_only_plain_lora_can_be_fused(tiny_model):
    with pytest.raises(ConfigError, match="fused is for plain LoRA"):
        config.check(LoraSettings(fused=True, dora=True))
    with pytest.raises(ConfigError, match="shared_dropout needs fused"):
        config.check(LoraSettings(shared_dropout=True))
    model = attach_lora(tiny_model(), LoraSettings(rank=4, dora=True))
    with pytest.raises(MismatchError, match=r"can't be one operation.*Linear on Linear, default"):
        fuse_lora(model, shared_dropout=False)
