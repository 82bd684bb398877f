import pytest
import torch

from palo.model.projectors import (
    LdpProjector,
    MlpProjector,
    build_projector,
    projector_kind,
    reset_module,
)


def num_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("width", "expected"), [(4096, 20_979_712), (5120, 31_467_520)])
def test_mlp_has_the_papers_parameters(width: int, expected: int) -> None:
    with torch.device("meta"):
        assert num_parameters(MlpProjector(1024, width, depth=2)) == expected


def test_ldp_has_the_papers_parameters_and_a_quarter_of_the_tokens() -> None:
    with torch.device("meta"):
        projector = LdpProjector(1024, 2048)
        tokens = projector(torch.empty(1, 576, 1024))
    assert num_parameters(projector) == 18_936_832
    assert tokens.shape == (1, 144, 2048)


@pytest.mark.parametrize(("num_patches", "expected"), [(576, 144), (25, 9), (16, 4), (1, 1)])
def test_ldp_counts_the_tokens_it_makes(num_patches: int, expected: int) -> None:
    projector = LdpProjector(8, 16)
    assert LdpProjector.tokens_per_image(num_patches) == expected
    assert projector(torch.randn(2, num_patches, 8)).shape == (2, expected, 16)


def test_ldp_needs_a_square() -> None:
    with pytest.raises(ValueError, match="square of patches, not 12"):
        LdpProjector.tokens_per_image(12)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_mlp_of_any_depth_has_the_released_names(tiny_config, depth: int) -> None:
    projector = build_projector(tiny_config(f"mlp{depth}x_gelu"))
    names = {f"{2 * i}.{kind}" for i in range(depth) for kind in ("weight", "bias")}
    assert set(projector.state_dict()) == names


def test_ldp_has_the_released_names(tiny_config) -> None:
    projector = build_projector(tiny_config("ldp"))
    block = {
        "block.0.0.weight",
        *(f"block.{layer}.{kind}" for layer in ("0.1", "2.1") for kind in ("weight", "bias")),
        *(f"block.1.fc{n}.{kind}" for n in (1, 2) for kind in ("weight", "bias")),
        "block.2.0.weight",
    }
    names = {f"mlp.{n}.{kind}" for n in (1, 3) for kind in ("weight", "bias")}
    names |= {f"mb_block.{n}.{name}" for n in (1, 2) for name in block}
    assert set(projector.state_dict()) == names


@pytest.mark.parametrize("name", ["mlp0x_gelu", "mlp2x_gelu ", "mlp2x_relu", "ldpnetv2", ""])
def test_unknown_types_are_errors(name: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        projector_kind(name)


def test_reset_gives_fresh_weights_like_a_new_layer() -> None:
    layer = torch.nn.Linear(4, 4)
    torch.manual_seed(7)
    reset_module(layer)
    torch.manual_seed(7)
    assert torch.equal(layer.weight, torch.nn.Linear(4, 4).weight)
    reset_module(torch.nn.GELU())
