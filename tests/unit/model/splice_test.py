import pytest
import torch

from palo.model.splice import splice


def test_images_land_in_order_in_packed_and_padded_rows() -> None:
    mask = torch.tensor([[0, 1, 1, 0, 0], [1, 1, 0, 1, 1]]).bool()
    text = torch.zeros(2, 5, 3)
    images = torch.arange(1.0, 19).reshape(3, 2, 3)
    out = splice(text, mask, images)
    assert torch.equal(out[mask], images.reshape(6, 3))
    assert not out[~mask].any()


def test_the_result_keeps_the_type_of_the_text() -> None:
    mask = torch.ones(1, 2).bool()
    out = splice(torch.zeros(1, 2, 3, dtype=torch.bfloat16), mask, torch.ones(1, 2, 3))
    assert out.dtype == torch.bfloat16


def test_inputs_stay_as_they_are() -> None:
    text = torch.zeros(1, 2, 3)
    splice(text, torch.tensor([[True, False]]), torch.ones(1, 1, 3))
    assert not text.any()


@pytest.mark.parametrize("num_images", [0, 1, 3])
def test_a_count_mismatch_says_expected_got_and_why(num_images: int) -> None:
    mask = torch.tensor([[1, 1, 1, 1]]).bool()
    with pytest.raises(ValueError, match=rf"expected 4 .* got {2 * num_images} .*silently shift"):
        splice(torch.zeros(1, 4, 3), mask, torch.ones(num_images, 2, 3))


def test_no_image_still_passes_a_zero_gradient_on() -> None:
    projected = torch.ones(1, 2, 3, requires_grad=True)
    text = torch.ones(1, 4, 3, requires_grad=True)
    splice(text, torch.zeros(1, 4).bool(), projected[:0]).sum().backward()
    assert projected.grad is not None
    assert not projected.grad.any()
    assert text.grad is not None
