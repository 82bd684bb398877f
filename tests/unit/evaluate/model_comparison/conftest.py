"""Stages that differ a little, and the same model in Hugging Face's Llava layout."""

import shutil

import pytest

from palo import storage
from palo.evaluate.model_comparison.prompts import ComparisonPrompt

TEMPLATE = (
    "{{ bos_token }}A chat between a curious user and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
    "{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %} ASSISTANT:"
)
TOKENIZER = {
    "tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": True,
    "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny models gain nothing from a second thread, and lose much where cores are busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def prompts(image_files):
    """Six prompts in three languages: about one image, another, and none."""
    images = (image_files[0], image_files[0], image_files[1], image_files[1], None, None)
    words = ("a red circle", "один круг", "一つの円")
    return [
        ComparisonPrompt(
            key=str(n), language=("en", "ru", "ja")[n % 3], question=words[n % 3], image=image
        )
        for n, image in enumerate(images)
    ]


@pytest.fixture(scope="session")
def other_stage(finished_stage, tmp_path_factory):
    """The finished stage with another projector."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("other") / "run"
    shutil.copytree(finished_stage.parent, folder)
    path = folder / "stage" / "projector.safetensors"
    save_file({name: -tensor for name, tensor in load_file(path).items()}, path)
    return folder / "stage"


@pytest.fixture(scope="session")
def wider_stage(tmp_path_factory):
    """A stage whose tokenizer has fewer tokens."""
    import tests.fixtures.finished as finished

    before = finished.write_tokenizer
    try:
        finished.write_tokenizer = _write_small_tokenizer
        return finished.write_finished_stage(tmp_path_factory.mktemp("wider"))
    finally:
        finished.write_tokenizer = before


def _write_small_tokenizer(folder):
    import sentencepiece

    folder.mkdir(parents=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(("a red circle", "two blue squares") * 20),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=290,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
        hard_vocab_limit=False,
        num_threads=1,
    )


@pytest.fixture(scope="session")
def llava_folder(adapted_stage, tmp_path_factory):
    """The adapted stage, its adapter merged, as `LlavaForConditionalGeneration` writes it."""
    import torch
    from transformers import (
        AutoConfig,
        AutoTokenizer,
        CLIPImageProcessorPil,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    from palo.checkpoint.finished import read_stage
    from palo.checkpoint.merged_weights import merged_weights

    folder = tmp_path_factory.mktemp("exported") / "llava"
    stage = read_stage(adapted_stage)
    text = AutoConfig.from_pretrained(stage.parts.language_model)
    text.vocab_size += 1
    config = LlavaConfig(
        vision_config=AutoConfig.from_pretrained(stage.parts.tower),
        text_config=text,
        image_token_index=text.vocab_size - 1,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=16,
    )
    model = LlavaForConditionalGeneration(config)
    weights = {}
    for name, tensor in merged_weights(stage).items():
        weights[_llava_name(name)] = tensor
    for name in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = torch.cat([weights[name], torch.zeros_like(weights[name][:1])])
    model.load_state_dict(weights)
    model.save_pretrained(folder)
    shutil.copytree(stage.parts.tokenizer, folder / "tokenizer")
    storage.write_json(folder / "tokenizer" / "tokenizer_config.json", TOKENIZER)
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    shutil.rmtree(folder / "tokenizer")
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    assert tokenizer.convert_tokens_to_ids("<image>") == text.vocab_size - 1
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    storage.write_json(folder / "lineage.json", {})
    return folder


def _llava_name(name):
    part, rest = name.split(".", 1)
    if part == "projector":
        number, kind = rest.split(".")
        return f"model.multi_modal_projector.linear_{ {'0': 1, '2': 2}[number] }.{kind}"
    if part == "vision_tower":
        return f"model.vision_tower.{rest}"
    return (
        rest
        if rest.startswith("lm_head")
        else f"model.language_model.{rest.removeprefix('model.')}"
    )
