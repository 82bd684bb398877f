import pytest
import torch
from transformers import Dinov2Config

from palo import config
from palo.errors import ConfigError
from palo.model import PaloForConditionalGeneration
from palo.model.lora import LoraSettings, attach_lora
from palo.model.sizes import palo_7b, palo_13b

SETTINGS = LoraSettings(rank=4, alpha=8, dropout=0)


def lora_names(model: torch.nn.Module) -> list[str]:
    return [name for name, _ in model.named_parameters() if "lora_" in name]


@pytest.mark.parametrize(("size", "expected"), [(palo_7b, 319_815_680), (palo_13b, 500_695_040)])
def test_the_papers_rank_gives_the_papers_parameters(size, expected: int) -> None:
    with torch.device("meta"):
        model = attach_lora(PaloForConditionalGeneration(size()), LoraSettings(rank=128))
        lora = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    assert lora == expected


@pytest.mark.parametrize(
    "tower",
    [None, Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=28)],
)
def test_only_the_language_models_blocks_get_lora(tiny_model, tower) -> None:
    model = attach_lora(tiny_model(tower=tower), SETTINGS)
    names = lora_names(model)
    assert len(names) == 2 * 2 * 7  # a pair for each of seven linear layers in two blocks
    assert all(".language_model.model.layers." in name for name in names)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lora_and_projector_train_in_the_models_own_type(tiny_model, dtype) -> None:
    model = attach_lora(tiny_model().to(dtype), SETTINGS)
    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or ".projector." in name for name in trainable)
    assert sum(".projector." in name for name in trainable) == 4
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}


def test_a_new_adapter_changes_nothing_and_a_trained_one_does(tiny_model) -> None:
    plain, model = tiny_model(), attach_lora(tiny_model(), SETTINGS).eval()
    words = torch.randint(1, 99, (1, 9))
    expected = plain(words).logits
    torch.testing.assert_close(model(input_ids=words).logits, expected)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    assert not torch.allclose(model(input_ids=words).logits, expected)


def test_the_wrapper_passes_images_and_packs_through(tiny_model) -> None:
    plain, model = tiny_model(), attach_lora(tiny_model(), SETTINGS).eval()
    ids = torch.tensor([[5, *[-200] * 16, 6, 7, 8, 9]])
    row = {
        "input_ids": ids,
        "features": torch.randn(1, 16, 32),
        "position_ids": torch.cat([torch.arange(18), torch.arange(3)])[None],
        "cu_seq_lens_q": torch.tensor([0, 18, 21], dtype=torch.int32),
        "logits_to_keep": torch.tensor([17, 20]),
    }
    torch.testing.assert_close(model(**row).logits, plain(**row).logits)
    options = {"max_new_tokens": 4, "do_sample": False}
    answer = model.generate(input_ids=ids, features=row["features"], **options)
    assert torch.equal(answer, plain.generate(ids, features=row["features"], **options))


def test_wrong_settings_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"rank is 0.*alpha is 0.*dropout is 1"):
        config.check(LoraSettings(rank=0, alpha=0, dropout=1))
    config.check(LoraSettings())
