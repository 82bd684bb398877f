"""LDP equals MobileVLM's, made of torchvision's own blocks (make_ldp_golden.py)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from palo.model.projectors import LdpProjector

GOLDEN = Path(__file__).with_name("ldp.safetensors")


@pytest.mark.parametrize("case", ["grid24", "grid5"])
def test_ldp_equals_the_golden_tensors(case: str) -> None:
    tensors = {
        key.removeprefix(f"{case}."): value
        for key, value in load_file(GOLDEN).items()
        if key.startswith(f"{case}.")
    }
    features, expected = tensors.pop("features"), tensors.pop("tokens")
    prefix = LdpProjector.reference_prefix
    weights = {key.removeprefix(prefix): value for key, value in tensors.items()}
    projector = LdpProjector(features.shape[-1], expected.shape[-1])
    projector.load_state_dict(weights, strict=True)

    with torch.no_grad():
        tokens = projector(features)

    assert len(weights) == 24
    assert tokens.shape[1] == LdpProjector.tokens_per_image(features.shape[1])
    # Worst case measured: 1.7e-6, where the largest value is 3.8.
    torch.testing.assert_close(tokens, expected, rtol=0, atol=1e-5)


def test_the_golden_file_stays_small() -> None:
    assert GOLDEN.stat().st_size < 300_000
