"""Logits and greedy tokens equal those of transformers' Llava with the same random weights."""

import pytest
import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration

from palo.model import PaloForConditionalGeneration

# Worst difference measured on a CPU in float32: none at all; the logits reach 5.8.
TOLERANCE = 1e-5
IMAGE_WORD = 98
SENTINEL = -200


@pytest.fixture
def palo(tiny_model) -> PaloForConditionalGeneration:
    return tiny_model(pad_token_id=0, eos_token_id=None)


@pytest.fixture
def llava(palo) -> LlavaForConditionalGeneration:
    config = LlavaConfig(
        vision_config=palo.config.vision_config.to_dict(),
        text_config=palo.config.text_config.to_dict(),
        image_token_index=IMAGE_WORD,
        image_seq_length=palo.config.num_patches,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        projector_hidden_act="gelu",
    )
    model = LlavaForConditionalGeneration(config).eval()
    model.model.vision_tower.load_state_dict(palo.vision_tower.model.state_dict())
    model.model.language_model.load_state_dict(palo.language_model.model.state_dict())
    model.lm_head.load_state_dict(palo.language_model.lm_head.state_dict())
    projector = model.model.multi_modal_projector
    projector.linear_1.load_state_dict(palo.projector[0].state_dict())
    projector.linear_2.load_state_dict(palo.projector[2].state_dict())
    return model


@pytest.fixture
def batch(palo) -> dict[str, torch.Tensor]:
    """Three rows, padded on the left: one image, two images, no image."""
    generator = torch.Generator().manual_seed(1)
    image = [SENTINEL] * palo.config.tokens_per_image

    def words(count: int) -> list[int]:
        return torch.randint(1, IMAGE_WORD, (count,), generator=generator).tolist()

    rows = [
        words(2) + image + words(7),
        words(1) + image + words(3) + image + words(5),
        words(12),
    ]
    longest = max(map(len, rows))
    return {
        "input_ids": torch.tensor([[0] * (longest - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor(
            [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        ),
        "pixels": torch.randn(3, 3, 32, 32, generator=generator),
    }


def as_llava(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    ids = batch["input_ids"]
    return {
        "input_ids": ids.masked_fill(ids == SENTINEL, IMAGE_WORD),
        "attention_mask": batch["attention_mask"],
        "pixel_values": batch["pixels"],
    }


def as_features(palo, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    rest = {key: value for key, value in batch.items() if key != "pixels"}
    return rest | {"features": palo.vision_tower(batch["pixels"])}


@torch.no_grad()
@pytest.mark.parametrize("stored", [False, True], ids=["pixels", "features"])
def test_logits_equal_llavas(palo, llava, batch, stored) -> None:
    expected = llava(**as_llava(batch)).logits
    got = palo(**(as_features(palo, batch) if stored else batch)).logits
    real = batch["attention_mask"].bool()
    assert expected.std() > 0.5, "weights too small for the comparison to mean anything"
    torch.testing.assert_close(got[real], expected[real], rtol=0, atol=TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("stored", [False, True], ids=["pixels", "features"])
def test_greedy_tokens_equal_llavas(palo, llava, batch, stored) -> None:
    options = {"max_new_tokens": 24, "do_sample": False}
    length = batch["input_ids"].shape[1]
    expected = llava.generate(**as_llava(batch), **options)[:, length:]
    inputs = as_features(palo, batch) if stored else batch
    got = palo.generate(**inputs, **options)[:, length:]
    assert expected.unique().numel() > 5, "a constant answer proves nothing"
    assert got.tolist() == expected.tolist()


@torch.no_grad()
def test_stored_features_are_llavas_choice(palo, llava, batch) -> None:
    tower = llava.model.vision_tower
    hidden = tower(batch["pixels"], output_hidden_states=True).hidden_states[-2]
    assert torch.equal(palo.vision_tower(batch["pixels"]), hidden[:, 1:])


def test_gradients_equal_llavas(palo, llava, batch) -> None:
    labels = torch.where(batch["input_ids"] > 0, batch["input_ids"], -100)
    mine = palo(**batch, labels=labels)
    mine.loss.backward()
    theirs = llava(**as_llava(batch), labels=labels)
    theirs.loss.backward()
    torch.testing.assert_close(mine.loss, theirs.loss, rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(
        palo.projector[0].weight.grad,
        llava.model.multi_modal_projector.linear_1.weight.grad,
        rtol=0,
        atol=TOLERANCE,
    )
