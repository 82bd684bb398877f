import copy

import pytest
import torch

from palo.model.loss_head import give_loss


@pytest.fixture
def row():
    """A packed row of two samples with five targets."""
    generator = torch.Generator().manual_seed(3)
    lengths = (9, 14)
    return {
        "input_ids": torch.randint(2, 50, (1, sum(lengths)), generator=generator),
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "cu_seq_lens_q": torch.tensor([0, 9, 23], dtype=torch.int32),
        "logits_to_keep": torch.tensor([2, 5, 8, 12, 21]),
    }, torch.tensor([7, 1, 49, 3, 3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("trains_head", [False, True])
def test_the_loss_in_chunks_and_its_gradients_are_those_of_all_logits(
    tiny_model, row, dtype, trains_head
):
    inputs, targets = row
    whole = tiny_model().to(dtype)
    whole.language_model.lm_head.weight.requires_grad_(trains_head)
    chunked = copy.deepcopy(whole)
    give_loss(chunked.language_model)
    logits = whole(**inputs, use_cache=False).logits[0].float()
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    expected.backward()
    loss = chunked(**inputs, targets=targets, use_cache=False).loss
    loss.backward()
    rtol = 1e-5 if dtype == torch.float32 else 2e-2
    assert torch.allclose(loss.float(), expected, rtol=rtol)
    for (name, one), other in zip(whole.named_parameters(), chunked.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None and one.grad.abs().max() > 0:
            cosine = torch.nn.functional.cosine_similarity(
                one.grad.flatten().double(), other.grad.flatten().double(), dim=0
            )
            assert cosine > (0.999999 if dtype == torch.float32 else 0.999), name


def test_a_head_that_can_give_the_loss_still_gives_logits(tiny_model, row):
    inputs, _ = row
    model = tiny_model()
    expected = model(**inputs, use_cache=False).logits
    weight = model.language_model.lm_head.weight
    give_loss(model.language_model)
    assert torch.equal(model(**inputs, use_cache=False).logits, expected)
    assert model.language_model.lm_head.weight is weight
