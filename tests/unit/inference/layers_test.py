import pytest
import torch

from palo.inference.layers import LINEARS, block_from_layer, linear_from


@pytest.mark.parametrize("num_rows", [1, 8, 64, 65])
@pytest.mark.parametrize("has_bias", [False, True])
def test_another_order_of_the_weights_gives_the_same(num_rows, has_bias):
    torch.manual_seed(0)
    weight, rows = torch.randn(40, 24), torch.randn(num_rows, 24)
    bias = torch.randn(40) if has_bias else None
    repacked = linear_from(weight, bias, repack=True)
    assert repacked.repacked is not None
    assert linear_from(weight, bias, repack=False).repacked is None
    expected = torch.nn.functional.linear(rows, weight, bias)
    assert torch.allclose(repacked(rows), expected, atol=1e-5)


def test_only_float32_is_put_in_another_order():
    assert linear_from(torch.randn(4, 4).bfloat16(), None, repack=True).repacked is None


@pytest.mark.parametrize("attention_bias", [False, True])
def test_a_block_multiplies_as_its_layer_does(tiny_model, attention_bias):
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
        block = block_from_layer(layer, repack=False)
        for place, linear in block.linears.items():
            given = linear(rows[linear.weight.shape[1]])
            assert torch.allclose(given, expected[place], atol=1e-5), place
    weight = block.linears["qkv"].weight
    assert layer.self_attn.k_proj.weight.data_ptr() == weight[48:].data_ptr()
    again = block_from_layer(layer, repack=False).linears["qkv"].weight
    assert again.data_ptr() == weight.data_ptr()
    assert again.shape == weight.shape
