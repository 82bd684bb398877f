import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from torch.nn.functional import cross_entropy
from transformers import AutoModelForImageTextToText

from palo.model import PaloForConditionalGeneration
from palo.model.lora import LoraSettings, attach_lora

SENTINEL = -200


def prompt(model: PaloForConditionalGeneration, before: int = 2, after: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    words = torch.randint(1, 99, (1, before + after), generator=generator)
    image = torch.full((1, model.config.tokens_per_image), SENTINEL)
    return torch.cat([words[:, :before], image, words[:, before:]], dim=1)


def pixels(count: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize("projector", ["mlp2x_gelu", "ldp"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_round_trip_keeps_every_weight(tmp_path, tiny_model, projector, tied) -> None:
    model = tiny_model(projector, tie_word_embeddings=tied)
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert ("language_model.lm_head.weight" in file.keys()) != tied  # noqa: SIM118
    read, report = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert isinstance(read, PaloForConditionalGeneration)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert not any(parameter.requires_grad for parameter in read.vision_tower.parameters())
    weights, expected = read.state_dict(), model.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
    ids = prompt(model)
    assert torch.equal(read(ids, pixels()).logits, model(ids, pixels()).logits)


def test_a_projector_that_is_missing_from_a_file_starts_afresh(tmp_path, tiny_model) -> None:
    model = tiny_model()
    model.save_pretrained(
        tmp_path,
        state_dict={k: v for k, v in model.state_dict().items() if not k.startswith("projector")},
    )
    read = PaloForConditionalGeneration.from_pretrained(tmp_path)
    bound = model.config.vision_hidden_size**-0.5
    weight = read.projector[0].weight
    assert 0.5 * bound < weight.abs().max() <= bound


@torch.no_grad()
def test_features_give_what_pixels_give(tiny_model) -> None:
    model = tiny_model()
    ids = prompt(model)
    stored = model.vision_tower(pixels())
    assert torch.equal(model(ids, pixels()).logits, model(ids, features=stored).logits)


@torch.no_grad()
def test_the_image_matters_and_its_place_too(tiny_model) -> None:
    model = tiny_model()
    ids = prompt(model)
    logits = model(ids, pixels()).logits
    assert not torch.allclose(model(ids, -pixels()).logits[0, -1], logits[0, -1])
    moved = prompt(model, before=4, after=4)
    assert not torch.allclose(model(moved, pixels()).logits[0, -1], logits[0, -1])


def test_labels_give_the_shifted_mean(tiny_model) -> None:
    model = tiny_model()
    ids = prompt(model)
    labels = ids.masked_fill(ids == SENTINEL, -100)
    labels[0, 0] = -100
    out = model(ids, pixels(), labels=labels)
    expected = cross_entropy(out.logits[0, :-1], labels[0, 1:], ignore_index=-100)
    torch.testing.assert_close(out.loss, expected)


def test_logits_can_be_kept_at_some_positions_only(tiny_model) -> None:
    model = tiny_model()
    ids = prompt(model)
    whole = model(ids, pixels()).logits
    positions = torch.tensor([3, 19, 20])
    some = model(ids, pixels(), logits_to_keep=positions).logits
    torch.testing.assert_close(some, whole[:, positions])
    torch.testing.assert_close(model(ids, pixels(), logits_to_keep=2).logits, whole[:, -2:])


def module_order(model: PaloForConditionalGeneration, **inputs: torch.Tensor) -> list[str]:
    """Returns the names of the modules of a forward in the order in which they ran."""
    names: list[str] = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: names.append(name))
        for name, module in model.named_modules()
        if name
    ]
    try:
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return names


@pytest.mark.parametrize("projector", ["mlp2x_gelu", "ldp"])
def test_a_batch_without_images_runs_the_same_modules(tiny_model, projector) -> None:
    model = tiny_model(projector).train()
    words = torch.randint(1, 99, (1, 9))
    stored = model.vision_tower(pixels())
    from_features = module_order(model, input_ids=prompt(model), features=stored)
    assert module_order(model, input_ids=words) == from_features
    assert module_order(model, input_ids=words, features=stored[:0]) == from_features
    from_pixels = module_order(model, input_ids=prompt(model), pixels=pixels())
    assert module_order(model, input_ids=words, pixels=pixels()[:0]) == from_pixels


def test_a_batch_without_images_gives_the_projector_zero_gradients(tiny_model) -> None:
    model = tiny_model().train()
    words = torch.randint(1, 99, (1, 9))
    loss = model(words, labels=words).loss
    loss.backward()
    gradients = [parameter.grad for parameter in model.projector.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)
    alone = model.language_model(words, labels=words).loss
    torch.testing.assert_close(loss, alone)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "either input_ids or inputs_embeds"),
        ({"input_ids": 1, "inputs_embeds": 1}, "either input_ids or inputs_embeds"),
        ({"input_ids": 1, "pixels": 1, "features": 1}, "either pixels or features"),
        ({"input_ids": 1, "labels": 1, "logits_to_keep": 1}, "labels need the logits"),
        ({"input_ids": 1, "cu_seq_lens_q": 1}, "packed row needs position_ids"),
    ],
)
def test_wrong_calls_say_what_is_wrong(tiny_model, values, message) -> None:
    ids = torch.ones(1, 2, dtype=torch.long)
    with pytest.raises(ValueError, match=message):
        tiny_model()(**{name: value if value != 1 else ids for name, value in values.items()})


def test_images_that_do_not_fit_the_sentinels_are_an_error(tiny_model) -> None:
    model = tiny_model()
    with pytest.raises(ValueError, match=r"expected 16 .* got 32"):
        model(prompt(model), pixels(2))
    with pytest.raises(ValueError, match=r"expected 16 .* got 0"):
        model(prompt(model))


@pytest.fixture
def batch(tiny_model) -> tuple[PaloForConditionalGeneration, list[torch.Tensor], torch.Tensor]:
    model = tiny_model(eos_token_id=None, pad_token_id=0)
    rows = [prompt(model, 2, 6)[0], prompt(model, 1, 3)[0], torch.randint(1, 99, (5,))]
    return model, rows, pixels(2)


OPTIONS = {"max_new_tokens": 10, "do_sample": False}


def padded(rows: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    length = max(map(len, rows))
    ids = torch.stack([torch.nn.functional.pad(row, (length - len(row), 0)) for row in rows])
    mask = torch.stack([torch.arange(length) >= length - len(row) for row in rows]).long()
    return {"input_ids": ids, "attention_mask": mask}


def test_a_padded_batch_generates_what_its_rows_do(batch) -> None:
    model, rows, images = batch
    together = model.generate(**padded(rows), pixels=images, **OPTIONS)[:, -10:]
    alone = [
        model.generate(row[None], pixels=image, **OPTIONS)[0, -10:]
        for row, image in zip(rows, (images[:1], images[1:], None), strict=True)
    ]
    assert together.tolist() == torch.stack(alone).tolist()


def test_generation_equals_repeated_forwards_without_a_cache(batch) -> None:
    model, rows, images = batch
    ids = rows[0][None]
    got = model.generate(ids, pixels=images[:1], **OPTIONS)[0, -10:]
    for _ in range(10):
        best = model(ids, images[:1], logits_to_keep=1).logits.argmax(-1)
        ids = torch.cat([ids, best], dim=1)
    assert got.tolist() == ids[0, -10:].tolist()


def test_the_tower_and_projector_run_once_for_an_answer(batch) -> None:
    model, rows, images = batch
    calls: list[str] = []
    for name in ("vision_tower", "projector", "language_model"):
        getattr(model, name).register_forward_hook(lambda *_, name=name: calls.append(name))
    model.generate(rows[0][None], pixels=images[:1], **OPTIONS)
    assert calls == ["vision_tower", "projector"] + ["language_model"] * 10


def test_returned_ids_can_all_be_decoded(batch) -> None:
    model, rows, images = batch
    inputs = padded(rows)
    out = model.generate(**inputs, pixels=images, **OPTIONS)
    shown = out[:, : inputs["input_ids"].shape[1]]
    words = inputs["input_ids"] != SENTINEL
    assert torch.equal(shown[words], inputs["input_ids"][words])
    assert out.min() >= 0


def test_beams_keep_each_row_with_its_images(batch) -> None:
    model, rows, images = batch
    model.eval()
    options = OPTIONS | {"num_beams": 3}
    together = model.generate(**padded(rows), pixels=images, **options)[:, -10:]
    last = model.generate(rows[1][None], pixels=images[1:], **options)[:, -10:]
    assert together[1].tolist() == last[0].tolist()


def test_logits_processors_never_see_the_sentinel(batch) -> None:
    model, rows, images = batch
    model.generate(rows[0][None], pixels=images[:1], repetition_penalty=1.3, **OPTIONS)


def with_random_lora(model: PaloForConditionalGeneration) -> PeftModel:
    torch.manual_seed(8)
    wrapped = attach_lora(model, LoraSettings(rank=2, dropout=0))
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return wrapped


@pytest.mark.parametrize("with_lora", [False, True])
def test_gradient_checkpointing_covers_the_language_model_only(tiny_model, with_lora) -> None:
    plain, model = tiny_model(), tiny_model()
    if with_lora:
        plain, model = (with_random_lora(part) for part in (plain, model))
    inner = model.base_model.model if with_lora else model
    inner.activation_checkpointing_enable()
    inner.enable_input_require_grads()
    flagged = {
        name
        for name, module in inner.named_modules()
        if getattr(module, "gradient_checkpointing", False)
    }
    assert flagged
    assert all(name.startswith("language_model.") for name in flagged)

    ids = prompt(inner)
    labels = ids.masked_fill(ids == SENTINEL, -100)
    losses = []
    for each in (plain, model):
        each.train()
        losses.append(each(input_ids=ids, pixels=pixels(), labels=labels).loss)
        losses[-1].backward()
    torch.testing.assert_close(losses[0], losses[1])
    for (name, mine), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        if theirs.grad is None:
            assert mine.grad is None, name
        else:
            torch.testing.assert_close(mine.grad, theirs.grad, msg=name)
    assert not inner.vision_tower(pixels()).requires_grad

    inner.activation_checkpointing_disable()
    inner.disable_input_require_grads()
    assert not inner.is_activation_checkpointing


def test_the_language_model_attends_by_segments_and_the_tower_does_not(tiny_model) -> None:
    config = tiny_model().config
    assert config.text_config._attn_implementation == "palo_segments"
    assert config.vision_config._attn_implementation == "sdpa"


def test_the_language_models_attention_is_a_choice(tmp_path, tiny_model) -> None:
    tiny_model().save_pretrained(tmp_path)
    read = PaloForConditionalGeneration.from_pretrained(
        tmp_path, attn_implementation={"text_config": "eager"}
    )
    assert read.language_model.config._attn_implementation == "eager"
