"""The kernels against PyTorch's operations; they are compiled by the first test that needs them."""

import logging

import pytest
import torch

from palo.inference.attention import Segment, SegmentAttention
from palo.inference.cpu_kernels import KernelAttentions, kernel_library, kernel_stack
from palo.inference.cpu_kernels.layers import KernelNorm, KernelSilu, huge_empty, pack
from palo.inference.kv_cache import KVCache
from palo.inference.layer_kinds import LayerKind, LayerKinds, PositionTables
from palo.inference.layers import Linear, Norm, layer_stack

NUM_SLOTS, PLACES = 4, 300


@pytest.fixture(scope="module")
def library():
    found = kernel_library()
    if found is None:
        pytest.skip("this machine has no C++ compiler that takes the kernels")
    return found


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    """An empty cache for compiled kernels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernel_library.cache_clear()
    yield tmp_path / "palo" / "kernels"
    kernel_library.cache_clear()


@pytest.mark.parametrize("num_rows", [1, 2, 7, 12, 13, 65, 289, 600])
@pytest.mark.parametrize("num_outputs", [1, 31, 32, 100])
def test_packed_weights_multiply_as_the_plain_ones(library, num_rows, num_outputs):
    torch.manual_seed(num_rows)
    bias = torch.randn(num_outputs) if num_outputs % 2 else None
    plain = [Linear(torch.randn(num_outputs, 24), bias), Linear(torch.randn(3, 5), None)]
    for linear, packed in zip(plain, pack(library, plain), strict=True):
        rows = torch.randn(num_rows, linear.weight.shape[1])
        assert torch.allclose(packed(rows), linear(rows), atol=1e-5)


def test_a_row_is_computed_alike_whatever_rows_are_beside_it(library):
    torch.manual_seed(0)
    (packed,) = pack(library, [Linear(torch.randn(70, 50), None)])
    rows = torch.randn(301, 50)
    together = packed(rows)
    alone = torch.cat([packed(row[None]) for row in rows])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [3, 48, 576])
def test_norms_and_gates_are_those_of_pytorch(library, size, threads):
    torch.manual_seed(size)
    torch.set_num_threads(threads)
    rows, weight = torch.randn(5, size) * 3, torch.randn(size)
    mine = KernelNorm(library, weight, 1e-5)(rows)
    assert torch.allclose(mine, Norm(weight, 1e-5)(rows), atol=1e-6)
    gates = torch.cat([torch.randn(5, size) * 40, torch.randn(5, size)], dim=1)
    expected = torch.nn.functional.silu(gates[:, :size]) * gates[:, size:]
    assert torch.allclose(KernelSilu(library)(gates), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("heads", "keys", "width"), [(9, 3, 64), (4, 4, 16), (8, 1, 20), (2, 2, 6), (3, 1, 128)]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_attention_is_that_of_pytorch_in_every_mixture_of_segments(
    library, heads, keys, width, threads
):
    torch.manual_seed(width)
    torch.set_num_threads(threads)
    # Prompts at their beginning and within, of one piece and of several, and decoded tokens.
    for segments in (
        [Segment(0, 0, 5), Segment(3, 10, 1), Segment(1, 100, 37)],
        [Segment(2, 0, 290)],
        [Segment(0, 299, 1), Segment(1, 0, 1), Segment(2, 127, 1), Segment(3, 128, 2)],
        [Segment(1, 3, 150), Segment(0, 130, 129)],
    ):
        caches = [_cache(heads, keys, width) for _ in range(2)]
        caches[1].kv.copy_(caches[0].kv.normal_())
        kinds = _kinds(width)
        num_rows = sum(segment.length for segment in segments)
        mixed = torch.randn(num_rows, (heads + 2 * keys) * width)
        expected = SegmentAttention(caches[0], kinds, segments)(1, mixed.clone())
        attentions = KernelAttentions(library, caches[1], kinds, heads)
        given = attentions.for_segments(segments)(1, mixed.clone())
        assert torch.allclose(given, expected, atol=3e-6)
        assert torch.allclose(caches[1].kv, caches[0].kv, atol=1e-6)


def test_scores_of_any_size_make_finite_weights(library):
    cache, kinds = _cache(2, 1, 16), _kinds(16)
    attentions = KernelAttentions(library, cache, kinds, 2)
    segments = [Segment(0, 0, 40)]
    mixed = torch.randn(40, 4 * 16) * 1000
    expected = SegmentAttention(_cache(2, 1, 16), kinds, segments)(0, mixed.clone())
    given = attentions.for_segments(segments)(0, mixed.clone())
    assert torch.isfinite(given).all()
    assert torch.allclose(given, expected, rtol=1e-3, atol=1e-2)


def test_a_whole_model_gives_the_same_logits(library, tiny_model):
    model = tiny_model(attention_bias=True).language_model
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "norm.weight")):
                parameter.normal_()
    plain, fast = layer_stack(model, 50), kernel_stack(library, model, 50)
    rows = torch.randn(6, 48)
    assert torch.allclose(fast.head(fast.norm(rows)), plain.head(plain.norm(rows)), atol=1e-5)
    for one, other in zip(plain.blocks, fast.blocks, strict=True):
        gate_up = one.linears["gate_up"](one.before_mlp(rows))
        assert torch.allclose(other.linears["gate_up"](other.before_mlp(rows)), gate_up, atol=1e-5)
        assert torch.allclose(other.gated(gate_up), one.gated(gate_up), atol=1e-5)
        mixed = one.linears["qkv"](one.before_attention(rows))
        assert torch.allclose(other.linears["qkv"](other.before_attention(rows)), mixed, atol=1e-5)


def test_numbers_in_huge_pages_are_as_many_as_asked_for():
    numbers = huge_empty(1_000_003).fill_(1)
    assert numbers.sum() == 1_000_003
    assert numbers.data_ptr() % (2 * 2**20) == 0


def test_kernels_are_compiled_once(library, cache_folder):
    assert kernel_library() is not None
    (compiled,) = cache_folder.iterdir()
    before = compiled.stat().st_mtime_ns
    kernel_library.cache_clear()
    assert kernel_library() is not None
    assert compiled.stat().st_mtime_ns == before
    assert list(cache_folder.iterdir()) == [compiled]


@pytest.mark.parametrize("compiler", ["/nowhere/c++", "false"])
def test_without_a_compiler_the_log_says_so_and_pytorch_computes(
    cache_folder, monkeypatch, caplog, compiler
):
    monkeypatch.setenv("CXX", compiler)
    with caplog.at_level(logging.WARNING):
        assert kernel_library() is None
    assert "without its own CPU kernels" in caplog.text
    assert compiler in caplog.text


def _cache(heads, keys, width):
    from transformers import LlamaConfig

    config = LlamaConfig(
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        head_dim=width,
        hidden_size=heads * width,
    )
    return KVCache(config, NUM_SLOTS, PLACES, torch.float32, torch.device("cpu"))


def _kinds(width):
    angles = torch.outer(torch.arange(PLACES), 10000 ** (-torch.arange(width // 2) * 2 / width))
    cosines, sines = angles.cos(), angles.sin()
    tables = PositionTables(
        torch.cat([cosines, cosines], -1).contiguous(), torch.cat([-sines, sines], -1)
    )
    return LayerKinds([LayerKind(tables)], [0, 0])
