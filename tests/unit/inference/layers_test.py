import pytest
import torch

from palo.inference.layers import LINEARS, linears_of


@pytest.mark.parametrize("attention_bias", [False, True])
def test_joined_linear_layers_multiply_as_those_of_the_layer(tiny_model, attention_bias):
    layer = tiny_model(attention_bias=attention_bias).language_model.model.layers[1]
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
        rows = {48: torch.randn(5, 48), 96: torch.randn(5, 96)}
        expected = {
            place: torch.cat(
                [linear(rows[linear.in_features]) for linear in map(layer.get_submodule, names)], -1
            )
            for place, names in LINEARS.items()
        }
        joined = linears_of(layer)
        for place, linear in joined.items():
            given = linear(rows[linear.weight.shape[1]])
            assert torch.allclose(given, expected[place], atol=1e-5), place
    weight = joined["qkv"].weight
    assert layer.self_attn.k_proj.weight.data_ptr() == weight[48:].data_ptr()
    again = linears_of(layer)["qkv"].weight
    assert again.data_ptr() == weight.data_ptr()
    assert again.shape == weight.shape
