"""Replaces image sentinels by the tokens of images, as a pure function."""

import torch
from torch import Tensor


def splice(text_embeds: Tensor, image_mask: Tensor, image_embeds: Tensor) -> Tensor:
    """Puts the tokens of the images into the row where the mask is true, in order.

    Args:
        text_embeds: (B, L, H) floats.
        image_mask: (B, L) bool, true where a token of an image belongs.
        image_embeds: (N, T, H) floats, images in order of appearance, row by row; N may be 0.

    Returns:
        (B, L, H) floats in the type of `text_embeds`.

    Raises:
        ValueError: If the mask has another number of places than the images have tokens. On a GPU
            it is a RuntimeError of a later call, since comparing here would wait for the device.
    """
    num_images, tokens_per_image, width = image_embeds.shape
    num_places, num_tokens = image_mask.sum(), num_images * tokens_per_image
    if image_mask.is_cuda:
        torch._assert_async(
            num_places == num_tokens, "the images of a batch don't fit its image places"
        )
    elif num_places != num_tokens:
        raise ValueError(
            f"expected {num_places} image tokens for the image places of this batch, got "
            f"{num_tokens} ({num_images} images of {tokens_per_image}). Placing them all the same "
            "would silently shift every later image into another sample's words"
        )
    source = image_embeds.to(text_embeds.dtype).reshape(num_tokens, width)
    return text_embeds.masked_scatter(image_mask.unsqueeze(-1), source)
