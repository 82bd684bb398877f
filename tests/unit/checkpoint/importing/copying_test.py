"""Copies of tensors into safetensors: byte for byte, whatever their files are like."""

import torch
from safetensors.torch import load_file

from palo.checkpoint.importing import open_projector


def test_safetensors_may_share_no_bytes_but_pickles_do(imports, tmp_path, tiny_palo):
    """Tied tensors, views and transposes, which torch saves once, come out whole."""
    base = torch.randn(48, 64)
    path = tmp_path / "mm_projector.bin"
    tensors = {
        "model.mm_projector.0.weight": base,
        "model.mm_projector.0.bias": base[:, 3],
        "model.mm_projector.2.weight": base[:, :48].t(),
        "model.mm_projector.2.bias": base.flatten()[7 : 7 + 48],
    }
    torch.save(tensors, path)
    folder = open_projector(path)
    found = load_file(folder / "projector.safetensors")
    for name, tensor in tensors.items():
        assert torch.equal(found[name.removeprefix("model.mm_projector.")], tensor), name
