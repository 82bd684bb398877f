"""Measures imports of weights: `make bench NAME=weights`, or `python jobs/bench/weights.py`.

A checkpoint in PALO's layout with random weights, in pickled shards of half precision, is imported
by a process of its own, and copied by `cp`, in turns: seconds, and peak memory. Both read from the
disk, not from memory, and both end when all is on the disk. An import also checks names and shapes
of all tensors, and hashes what it writes.
"""

import dataclasses
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palo import config, storage
from palo.benchmark import Conditions, Figure, publish, spread
from palo.command import override, run_job
from palo.errors import ResourceError
from palo.machine import hardware

if TYPE_CHECKING:
    import torch

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "safetensors")
_WIDTH, _INNER, _HEADS = 2048, 5632, 16
_ITEM_BYTES = 2
_TOWER_WIDTH, _PATCH, _SIDE = 64, 8, 32
_SPARE = 3.5
"""Room on the disk, in sizes of the checkpoint: itself, a copy and an import."""

# Loading torch and transformers isn't counted: whatever comes next loads them, too.
_IMPORT = """
import sys, time
from pathlib import Path
import palo.checkpoint.load
from palo.checkpoint.importing import open_model
started = time.monotonic()
open_model(Path(sys.argv[1]))
seconds = time.monotonic() - started
status = Path("/proc/self/status").read_text()
print(seconds, status.split("VmHWM:")[1].split()[0])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsBench:
    """Measures imports of weights.

    Attributes:
        sizes_gb: Sizes of the checkpoints in 10^9 bytes.
        num_shards: Shards of each.
        repeats: How often each is imported and copied.
        folder: Where they lie, on the disk that is measured; the folder for temporary files by
            default.
        output: Folder of the result; None for the checkout's own.
    """

    sizes_gb: tuple[float, ...] = (2.0, 6.0)
    num_shards: int = 2
    repeats: int = 3
    folder: Path | None = None
    output: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not self.sizes_gb or min(self.sizes_gb) <= 0:
            yield "sizes_gb must be above 0"
        for name in ("num_shards", "repeats"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"


def main(arguments: list[str]) -> None:
    """Runs the bench.

    Args:
        arguments: The command line.
    """
    settings = override(WeightsBench(), arguments, "jobs/bench/weights.py")
    config.check(settings)
    machine = hardware()
    with tempfile.TemporaryDirectory(dir=settings.folder, prefix="palo-weights-") as folder:
        figures = list(_figures(settings, Path(folder)))
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None, folder=None),
        counts={"repeats": settings.repeats, "sizes": len(settings.sizes_gb)},
    )
    publish("weights", figures, conditions, root=_ROOT, folder=settings.output)


def _figures(settings: WeightsBench, folder: Path) -> Iterator[Figure]:
    peaks: list[list[float]] = []
    for size in settings.sizes_gb:
        _require_space(folder, size)
        checkpoint = folder / "checkpoint"
        size_bytes = write_checkpoint(checkpoint, size, settings.num_shards)
        print(f"{size_bytes / 1e9:.2f} GB in {settings.num_shards} shards", flush=True)
        pairs = [_measure(checkpoint, folder) for _ in range(settings.repeats)]
        name = f"{size:g}gb".replace(".", "_")
        ratios = [imported / copied for imported, copied, _ in pairs]
        yield spread(f"import_{name}_s", [pair[0] for pair in pairs], "s")
        yield spread(f"copy_{name}_s", [pair[1] for pair in pairs], "s")
        yield spread(f"import_to_copy_{name}", ratios, "1", target=2.0, better="lower")
        peaks.append([pair[2] for pair in pairs])
        yield spread(f"import_{name}_peak_memory_mib", peaks[-1], "MiB")
        shutil.rmtree(checkpoint)
    growth = [last / first for first, last in zip(peaks[0], peaks[-1], strict=True)]
    yield spread("import_peak_memory_growth", growth, "1", target=1.1, better="lower")


def _require_space(folder: Path, size_gb: float) -> None:
    free = shutil.disk_usage(folder).free
    if free < _SPARE * size_gb * 1e9:
        raise ResourceError(
            "too little space for this bench",
            seen=f"{free / 1e9:.0f} GB free, {_SPARE * size_gb:.0f} GB needed",
            fix="Name another --folder, or smaller --sizes-gb.",
        )


def _measure(checkpoint: Path, folder: Path) -> tuple[float, float, float]:
    """Returns the seconds of an import and of a copy, and the import's peak memory in MiB."""
    _forget(checkpoint)
    copy = folder / "copy"
    started = time.monotonic()
    subprocess.run(["cp", "-r", str(checkpoint), str(copy)], check=True)  # noqa: S603, S607
    for path in copy.iterdir():
        _sync(path)
    copied = time.monotonic() - started
    shutil.rmtree(copy)
    _forget(checkpoint)
    imports = folder / "imports"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _IMPORT, str(checkpoint)],
        env={**os.environ, "PALO_IMPORTS": str(imports)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    shutil.rmtree(imports)
    imported, peak_kib = map(float, done.stdout.split())
    print(f"import {imported:.1f} s, copy {copied:.1f} s", flush=True)
    return imported, copied, peak_kib / 1024


def _forget(folder: Path) -> None:
    """Takes files out of the memory that the system keeps of the disk."""
    for path in folder.iterdir():
        _sync(path)
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_checkpoint(folder: Path, size_gb: float, num_shards: int) -> int:
    """Writes a checkpoint in PALO's layout with random weights.

    Args:
        folder: Folder to write.
        size_gb: Its size in 10^9 bytes, to a layer of 0.1.
        num_shards: Number of shards.

    Returns:
        Its size in bytes.
    """
    import torch

    from palo.recipes.nano import BASE
    from palo.text.tokenizer import load_tokenizer

    storage.ensure_folder(folder)
    for path in load_tokenizer(BASE / "tokenizer").files:
        shutil.copy(path, folder)
    vocab_size = load_tokenizer(folder).vocab_size
    fixed = sum(map(math.prod, dict(_shapes(0, vocab_size)).values()))
    layer = 4 * _WIDTH * _WIDTH + 3 * _WIDTH * _INNER
    num_layers = round((size_gb * 1e9 / _ITEM_BYTES - fixed) / layer)
    shapes = dict(_shapes(max(1, num_layers), vocab_size))
    numbers = torch.randn(
        max(map(torch.Size.numel, map(torch.Size, shapes.values()))) + len(shapes)
    )
    pool = numbers.half()
    names = list(shapes)
    share = -(-len(names) // num_shards)
    places: dict[str, str] = {}
    total = 0
    for number in range(num_shards):
        file = f"pytorch_model-{number + 1:05d}-of-{num_shards:05d}.bin"
        own = names[number * share : (number + 1) * share]
        weights = {name: _random(pool, shapes[name], names.index(name)) for name in own}
        torch.save(weights, folder / file)
        total += sum(tensor.nbytes for tensor in weights.values())
        places |= dict.fromkeys(own, file)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    storage.write_json(folder / "pytorch_model.bin.index.json", index)
    layers = sum(name.endswith("input_layernorm.weight") for name in names)
    storage.write_json(folder / "config.json", _configuration(layers, vocab_size))
    return total


def _random(pool: "torch.Tensor", shape: tuple[int, ...], start: int) -> "torch.Tensor":
    """Returns a tensor that differs from the others, of numbers that were drawn once."""
    return pool[start : start + math.prod(shape)].reshape(shape).clone()


def _shapes(layers: int, vocab_size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "model.embed_tokens.weight", (vocab_size, _WIDTH)
    for number in range(layers):
        start = f"model.layers.{number}."
        for name in "qkvo":
            yield f"{start}self_attn.{name}_proj.weight", (_WIDTH, _WIDTH)
        for name in ("gate", "up"):
            yield f"{start}mlp.{name}_proj.weight", (_INNER, _WIDTH)
        yield f"{start}mlp.down_proj.weight", (_WIDTH, _INNER)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{start}{name}.weight", (_WIDTH,)
    yield "model.norm.weight", (_WIDTH,)
    yield "lm_head.weight", (vocab_size, _WIDTH)
    for number, width in ((0, _TOWER_WIDTH), (2, _WIDTH)):
        yield f"model.mm_projector.{number}.weight", (_WIDTH, width)
        yield f"model.mm_projector.{number}.bias", (_WIDTH,)
    tower = "model.vision_tower.vision_tower.vision_model."
    yield from ((f"{tower}{name}", shape) for name, shape in _tower_shapes())


def _tower_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    width = (_TOWER_WIDTH,)
    yield "embeddings.class_embedding", width
    yield "embeddings.patch_embedding.weight", (_TOWER_WIDTH, 3, _PATCH, _PATCH)
    yield "embeddings.position_embedding.weight", ((_SIDE // _PATCH) ** 2 + 1, _TOWER_WIDTH)
    norms = ["pre_layrnorm", "post_layernorm"]
    for number in range(2):
        layer = f"encoder.layers.{number}."
        linears = [f"self_attn.{one}_proj" for one in ("q", "k", "v", "out")]
        for name in (*linears, "mlp.fc1", "mlp.fc2"):
            yield f"{layer}{name}.weight", (_TOWER_WIDTH, _TOWER_WIDTH)
            yield f"{layer}{name}.bias", width
        norms += [f"{layer}layer_norm1", f"{layer}layer_norm2"]
    for name in norms:
        yield f"{name}.weight", width
        yield f"{name}.bias", width


def _configuration(layers: int, vocab_size: int) -> dict[str, object]:
    return {
        "architectures": ["PaloForCausalLM"],
        "model_type": "palo",
        "hidden_size": _WIDTH,
        "intermediate_size": _INNER,
        "num_hidden_layers": layers,
        "num_attention_heads": _HEADS,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocab_size,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "image_aspect_ratio": "pad",
        "torch_dtype": "float16",
    }


if __name__ == "__main__":
    run_job(main)
