"""Each backbone against transformers' own class, alone and packed, forward and backward."""

import pytest
import torch
from tests.fixtures.backbones import KINDS, NEW, WINDOW, scatter_norms, tiny_text_config
from tests.fixtures.packed_rows import (
    Sample,
    gradients,
    packed_losses,
    padded_losses,
    single_losses,
)
from transformers import AutoModelForCausalLM

from palo.model import attention
from palo.model.assemble import load_part
from palo.model.backbones import BACKBONES, language_model_class
from palo.model.lora import LoraSettings, attach_lora
from palo.model.loss_head import give_loss

# Worst differences measured on a CPU in float32: none in logits of a row alone; 1.4e-6 in a
# sample's mean loss (about 5), 2e-6 of a tensor's largest value in gradients.
TOLERANCE = 1e-5
SENTINEL = -200


def samples_of(model) -> list[Sample]:
    """Lengths below and above the window, neighbours of one length, with images and without."""
    generator = torch.Generator().manual_seed(3)
    image = torch.full((model.config.tokens_per_image,), SENTINEL)

    def make(before: int, after: int, num_images: int, num_labels: int) -> Sample:
        def words(count: int) -> torch.Tensor:
            return torch.randint(1, 99, (count,), generator=generator)

        ids = torch.cat([words(before), *[image] * num_images, words(after)])
        return Sample(ids=ids, num_images=num_images, num_labels=num_labels)

    return [
        make(3, 20, 1, 9),
        make(2, 3, 0, 4),
        make(2, WINDOW - 2, 0, 7),
        make(2, WINDOW, 0, 7),
        make(4, 12, 1, 3),
        make(3, 13, 1, 3),
    ]


def features_of(model, samples) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    num_images = sum(sample.num_images for sample in samples)
    return torch.randn(num_images, model.config.num_patches, 32, generator=generator)


@pytest.mark.parametrize("name", NEW)
def test_words_alone_give_the_logits_of_transformers_own_class(name, tmp_path, tiny_backbone):
    """With the folder's own eager attention: no line of ours takes part there."""
    torch.manual_seed(1)
    saved = AutoModelForCausalLM.from_config(tiny_text_config(name))
    scatter_norms(saved)
    saved.save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    model = tiny_backbone(name)
    config = model.config.text_config
    model.language_model = load_part(language_model_class(config), tmp_path, config, torch.float32)
    model.language_model.set_attn_implementation(attention.NAME)
    ids = torch.randint(1, 99, (2, 40), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        difference = (model(input_ids=ids).logits - plain(ids).logits).abs().max()
    assert difference < TOLERANCE * plain(ids).logits.abs().max()


@pytest.mark.proof
@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("reference", [single_losses, padded_losses])
def test_packed_losses_and_gradients_equal(name, reference, tiny_backbone, prove):
    model = tiny_backbone(name).train()
    samples = samples_of(model)
    features = features_of(model, samples)
    expected, got = (way(model, samples, features) for way in (reference, packed_losses))
    claim = f"{name}, packed as {'alone' if reference is single_losses else 'padded'}"
    largest = (got - expected).detach().abs().max()
    prove(claim, "difference of a sample's loss", largest, TOLERANCE)
    wanted, found = gradients(model, expected), gradients(model, got)
    assert found.keys() == wanted.keys()
    for key, gradient in wanted.items():
        assert gradient.abs().max() > 0, f"{key} gets no gradient"
        assert (found[key] - gradient).abs().max() <= TOLERANCE * gradient.abs().max(), key


@pytest.mark.parametrize("name", ["qwen3-windows", "gemma3"])
def test_a_window_hides_what_lies_before_it(name, tiny_backbone):
    """Else the tests of packed rows would compare two rows of whole attention."""
    model = tiny_backbone(name)
    whole = tiny_backbone(name, sliding_window=400)
    samples = samples_of(model)
    features = features_of(model, samples)
    with torch.no_grad():
        cut, uncut = (packed_losses(one, samples, features) for one in (model, whole))
    # The second and third sample are not longer than the window.
    assert [bool(one) for one in cut.isclose(uncut, atol=1e-5)] == [False, True, True] + [False] * 3


@pytest.mark.parametrize("name", NEW)
def test_recomputation_and_the_loss_in_chunks_change_no_gradient(name, tiny_backbone):
    found = []
    for saves_memory in (False, True):
        model = tiny_backbone(name).train()
        samples = samples_of(model)
        features = features_of(model, samples)
        if saves_memory:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        if not saves_memory:
            loss = packed_losses(model, samples, features).sum()
        else:
            give_loss(model.language_model)
            loss = chunked_loss(model, samples, features)
        found.append(gradients(model, loss))
    for key, gradient in found[0].items():
        assert (found[1][key] - gradient).abs().max() <= TOLERANCE * gradient.abs().max(), key


def chunked_loss(model, samples: list[Sample], features: torch.Tensor) -> torch.Tensor:
    """The sum of the samples' mean losses, each from the head that keeps no logits."""
    losses = []
    for sample, own in zip(samples, features.split([s.num_images for s in samples]), strict=True):
        positions = sample.label_positions
        out = model(
            input_ids=sample.ids[None],
            features=own,
            position_ids=torch.arange(len(sample.ids))[None],
            cu_seq_lens_q=torch.tensor([0, len(sample.ids)], dtype=torch.int32),
            logits_to_keep=positions,
            targets=sample.ids[positions + 1],
        )
        losses.append(out.loss / len(positions))
    return torch.stack(losses).sum()


@pytest.mark.parametrize("name", NEW)
def test_lora_is_on_every_linear_layer_of_the_blocks_and_nowhere_else(name, tiny_backbone):
    model = tiny_backbone(name)
    linears = {
        key
        for key, module in model.language_model.named_modules()
        if isinstance(module, torch.nn.Linear) and key != "lm_head"
    }
    attach_lora(model, LoraSettings(rank=4, alpha=8, dropout=0.0))
    adapted = {
        key.partition(".lora_A")[0]
        for key, parameter in model.language_model.named_parameters()
        if ".lora_A." in key and parameter.requires_grad
    }
    assert adapted == linears
    learns = {key for key, one in model.named_parameters() if one.requires_grad}
    assert all(".lora_" in key or key.startswith("projector.") for key in learns)


@pytest.mark.parametrize("name", NEW)
def test_fused_lora_gives_the_same_gradients(name, tiny_backbone):
    found = []
    for fused in (False, True):
        model = tiny_backbone(name).train()
        torch.manual_seed(5)
        attach_lora(model, LoraSettings(rank=4, alpha=8, dropout=0.0, fused=fused))
        torch.manual_seed(6)
        for key, parameter in model.named_parameters():
            if ".lora_B." in key:
                parameter.data = torch.randn_like(parameter) * 0.1
        samples = samples_of(model)
        losses = packed_losses(model, samples, features_of(model, samples))
        found.append(gradients(model, losses))
    assert found[0].keys() == found[1].keys()
    for key, gradient in found[0].items():
        assert (found[1][key] - gradient).abs().max() <= 3e-5 * gradient.abs().max(), key


@pytest.mark.parametrize("name", NEW)
def test_a_generated_answer_is_what_whole_passes_give(name, tiny_backbone):
    model = tiny_backbone(name)
    ids = torch.cat([torch.full((16,), SENTINEL), torch.arange(5, 25)])[None]
    features = torch.randn(1, 16, 32, generator=torch.Generator().manual_seed(7))
    done = model.generate(ids, features=features, max_new_tokens=6, do_sample=False)
    row = ids
    with torch.no_grad():
        for _ in range(6):
            logits = model(input_ids=row, features=features, logits_to_keep=1).logits
            row = torch.cat([row, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert done[0, -6:].tolist() == row[0, -6:].tolist()


def test_every_backbone_has_a_tiny_model():
    kinds = {tiny_text_config(name).model_type for name in KINDS}
    assert kinds == set(BACKBONES)
