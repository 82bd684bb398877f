"""Copies of tensors into safetensors: byte for byte, whatever their files are like."""

import shutil

import torch
from safetensors.torch import load_file
from tests.fixtures.peak_memory import grown_mib

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


def test_memory_does_not_grow_with_the_checkpoint(imports, tmp_path):
    """Two tensors of 128 MiB take a few chunks; measured: 5 MiB."""
    path = tmp_path / "mm_projector.bin"
    weight = torch.randn(1 << 20, 32)
    tensors = {f"model.mm_projector.{number}.weight": weight + number for number in (0, 2)}
    biases = {f"model.mm_projector.{number}.bias": torch.zeros(1) for number in (0, 2)}
    torch.save(tensors | biases, path)
    grown = grown_mib(
        "import torch\nfrom pathlib import Path\n"
        "import palo.checkpoint.importing.writing\n"
        "from palo.checkpoint.importing import open_projector",
        "open_projector(Path(sys.argv[1]))",
        str(path),
    )
    assert grown < 64
    (folder,) = (place for place in imports.iterdir() if place.name != "sources")
    assert (folder / "projector.safetensors").stat().st_size > 256 << 20
    shutil.rmtree(folder)
    path.unlink()
