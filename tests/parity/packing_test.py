"""A packed row equals a padded batch and its samples one by one, and costs no more than they do."""

import pytest
import torch
from tests.fixtures.packed_rows import (
    Sample,
    cosine,
    gradients,
    packed_losses,
    padded_losses,
    single_losses,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from palo.model import PaloForConditionalGeneration

# Worst differences measured on a CPU in float32: 9.5e-7 in a sample's mean loss (about 5), and for
# gradients 1.1e-6 of a tensor's largest value.
TOLERANCE = 1e-5
SENTINEL = -200
ATTENTION = {"_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math"}


@pytest.fixture(params=["mlp2x_gelu", "ldp"])
def model(tiny_model, request) -> PaloForConditionalGeneration:
    return tiny_model(request.param).train()


@pytest.fixture
def samples(model) -> list[Sample]:
    """Lengths that differ, neighbours of one length, one without and one with two images."""
    generator = torch.Generator().manual_seed(3)
    image = torch.full((model.config.tokens_per_image,), SENTINEL)

    def make(before: int, after: int, num_images: int, num_labels: int) -> Sample:
        def words(count: int) -> torch.Tensor:
            return torch.randint(1, 99, (count,), generator=generator)

        ids = torch.cat([words(before), *[image] * num_images, words(after)])
        return Sample(ids=ids, num_images=num_images, num_labels=num_labels)

    return [
        make(3, 20, 1, 9),
        make(5, 11, 1, 4),
        make(5, 11, 1, 7),
        make(2, 15, 0, 15),
        make(1, 30, 2, 1),
        make(4, 12, 1, 3),
    ]


@pytest.fixture
def features(model, samples) -> torch.Tensor:
    num_images = sum(sample.num_images for sample in samples)
    generator = torch.Generator().manual_seed(4)
    return torch.randn(num_images, model.config.num_patches, 32, generator=generator)


@pytest.mark.proof
@pytest.mark.parametrize("reference", [single_losses, padded_losses])
def test_packed_losses_and_gradients_equal(model, samples, features, reference, prove) -> None:
    expected = reference(model, samples, features)
    got = packed_losses(model, samples, features)
    claim = f"packed as {'alone' if reference is single_losses else 'padded'}"
    largest = (got - expected).detach().abs().max()
    prove(claim, "difference of a sample's loss", largest, TOLERANCE)

    expected_gradients, got_gradients = gradients(model, expected), gradients(model, got)
    assert got_gradients.keys() == expected_gradients.keys()
    cosines = []
    for name, expected_gradient in expected_gradients.items():
        largest = expected_gradient.abs().max()
        assert largest > 0, f"{name} gets no gradient"
        difference = (got_gradients[name] - expected_gradient).abs().max()
        assert difference <= TOLERANCE * largest, name
        cosines.append(cosine(got_gradients[name], expected_gradient))
    prove(claim, "1 - least cosine of a gradient", 1 - min(cosines), 1e-6)


class Watch(TorchDispatchMode):
    """Notes every attention call and the largest square that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.num_pairs = 0
        self.masked = 0
        self.shapes: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func.overloadpacket.__name__ in ATTENTION:
            query, key = args[:2]
            self.num_pairs += query.shape[0] * query.shape[2] * key.shape[2]
            self.masked += kwargs.get("attn_mask") is not None
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.shapes.add(tuple(tensor.shape))
        return out


def test_a_packed_row_builds_no_mask_and_attends_only_within_samples(
    model, samples, features
) -> None:
    with Watch() as watch:
        packed_losses(model, samples, features).sum().backward()
    lengths = [len(sample.ids) for sample in samples]
    num_layers = model.config.text_config.num_hidden_layers
    assert watch.num_pairs == num_layers * sum(length**2 for length in lengths)
    assert watch.masked == 0
    row = sum(lengths)
    assert not [shape for shape in watch.shapes if shape[-2:] == (row, row)]


def test_the_watch_sees_the_dense_mask_of_sdpa(model, samples, features) -> None:
    model.set_attn_implementation("sdpa")
    lengths = [len(sample.ids) for sample in samples]
    row = sum(lengths)
    with Watch() as watch:
        model(
            input_ids=torch.cat([sample.ids for sample in samples])[None],
            features=features,
            position_ids=torch.cat([torch.arange(length) for length in lengths])[None],
        )
    assert watch.masked
    assert any(shape[-2:] == (row, row) for shape in watch.shapes)


def test_a_packed_row_computes_no_more_than_its_samples(model, samples, features) -> None:
    # Matrix products and convolutions; attention is counted above.
    with FlopCounterMode(display=False) as single:
        single_losses(model, samples, features).sum().backward()
    with FlopCounterMode(display=False) as packed:
        packed_losses(model, samples, features).sum().backward()
    assert packed.get_total_flops() <= single.get_total_flops()


def test_many_short_samples_of_one_length_are_one_call(tiny_model) -> None:
    model = tiny_model().train()
    samples = [Sample(ids=torch.randint(1, 99, (6,)), num_images=0, num_labels=4)] * 32
    features = torch.empty(0, model.config.num_patches, 32)
    calls = []
    original = torch.nn.functional.scaled_dot_product_attention
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch.nn.functional,
            "scaled_dot_product_attention",
            lambda *args, **kwargs: calls.append(args[0].shape) or original(*args, **kwargs),
        )
        packed_losses(model, samples, features)
    assert [shape[0] for shape in calls] == [32] * model.config.text_config.num_hidden_layers
