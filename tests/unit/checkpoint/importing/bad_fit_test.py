"""Parts that don't fit, or that ours can't be: one clear error, and nothing is left."""

import pytest
import torch
from tests.fixtures import layouts as tiny
from tests.fixtures.damaged_layouts import change_json, change_tensors, last_shard

from palo.checkpoint.importing import ImportOptions, open_model
from palo.checkpoint.importing.layouts import LLAVA
from palo.errors import DataError, MismatchError

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_a_missing_tensor(palo_folder):
    (palo_folder / "pytorch_model.bin.index.json").unlink()
    name = "model.layers.1.mlp.up_proj.weight"
    for path in palo_folder.glob("*.bin"):
        change_tensors(path, **{name: None})
    with pytest.raises(
        MismatchError, match=r"1 faults: missing language_model.model\.layers\.1\.mlp"
    ):
        open_model(palo_folder)


def test_unknown_tensors(palo_folder):
    (palo_folder / "pytorch_model.bin.index.json").unlink()
    extra = {f"model.image_{number}": torch.zeros(2) for number in range(5)}
    change_tensors(last_shard(palo_folder), **extra)
    with pytest.raises(MismatchError, match=r"5 of \d+: model\.image_0, model\.image_1, model\.im"):
        open_model(palo_folder)


def test_a_tensor_of_another_shape(palo_folder):
    for path in palo_folder.glob("*.bin"):
        if "model.norm.weight" in torch.load(path, weights_only=True):
            change_tensors(path, **{"model.norm.weight": torch.ones(7).half()})
    with pytest.raises(MismatchError, match=r"norm\.weight is \(7,\), not \(48,\)"):
        open_model(palo_folder)


def test_quantized_weights(palo_folder):
    path = last_shard(palo_folder)
    change_tensors(path, **{"lm_head.weight": torch.zeros(332, 48, dtype=torch.int8)})
    with pytest.raises(MismatchError, match=r"(lm_head\.weight of I8|lm_head\.weight is)"):
        open_model(palo_folder)


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"auto_map": {"AutoModel": "code.Model"}}, "auto_map"),
        ({"hidden_size": 10**9}, "hidden_size"),
        ({"num_hidden_layers": 1 << 10, "hidden_size": 1 << 16}, "weights, of which its files"),
        ({"vocab_size": 10**9}, "vocab_size"),
    ],
)
def test_a_configuration_that_is_not_to_be_believed(palo_folder, values, seen):
    change_json(palo_folder / "config.json", **values)
    with pytest.raises(MismatchError, match=f"not one that can be loaded: .*{seen}"):
        open_model(palo_folder)


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end True"),
        ({"mm_vision_select_layer": -1}, "mm_vision_select_layer -1"),
        ({"mm_vision_select_feature": "cls_patch"}, "mm_vision_select_feature 'cls_patch'"),
        ({"image_aspect_ratio": "anyres"}, "image_aspect_ratio 'anyres'"),
    ],
)
def test_a_model_that_sees_in_another_way(palo_folder, values, seen):
    change_json(palo_folder / "config.json", **values)
    with pytest.raises(MismatchError, match=f"in a way that is not supported: {seen}"):
        open_model(palo_folder)


def test_a_tower_of_an_unknown_kind(palo_folder, tmp_path, tiny_palo):
    change_json(palo_folder / "config.json", mm_vision_tower="laion/CLIP-ViT-L-14")
    with pytest.raises(MismatchError, match=r"configuration is not known.*--tower"):
        open_model(palo_folder)


def test_a_missing_tower_says_what_to_give(imports, tmp_path, tiny_palo):
    folder = tiny.write_llava(tmp_path / "llava", tiny_palo)
    with pytest.raises(DataError, match=r"no vision tower .*patch14-336'.*--tower.*PALO_MODELS"):
        open_model(folder)


def test_a_projector_for_another_tower(imports, tmp_path, tiny_palo):
    folder = tiny.write_llava(tmp_path / "llava", tiny_palo)
    path = last_shard(folder)
    weights = {"model.mm_projector.0.weight": torch.zeros(48, 99).half()}
    holder = next(
        path for path in folder.glob("*-of-*.bin")
        if next(iter(weights)) in torch.load(path, weights_only=True)
    )  # fmt: skip
    change_tensors(holder, **weights)
    tower = tiny.write_clip(tmp_path / "tower", tiny_palo)
    with pytest.raises(
        MismatchError, match=r"projector of .*0\.weight is \(48, 99\), not \(48, 64\)"
    ):
        open_model(folder, ImportOptions(tower=tower))
    assert path.exists()


def test_a_folder_that_is_no_tower(imports, tmp_path, tiny_palo):
    folder = tiny.write_llava(tmp_path / "llava", tiny_palo)
    tower = tiny.write_language_model(tmp_path / "tower", tiny_palo)
    with pytest.raises(MismatchError, match="vision tower"):
        open_model(folder, ImportOptions(tower=tower))


def test_a_base_of_another_size(imports, tmp_path, tiny_palo):
    tower = tiny.write_clip(tmp_path / "tower", tiny_palo)
    other = tiny.make_tiny_model(tmp_path / "other", width=64)
    base = tiny.write_language_model(tmp_path / "base", other)
    tiny.write_lora(tmp_path / "lora", tiny_palo)
    with pytest.raises(MismatchError, match=r"another base than .*hidden_size 64, not 48.*--base"):
        open_model(tmp_path / "lora", ImportOptions(base=base, tower=tower))


def test_an_adapter_for_another_base(imports, tmp_path, tiny_palo):
    tower = tiny.write_clip(tmp_path / "tower", tiny_palo)
    base = tiny.write_language_model(tmp_path / "base", tiny_palo)
    deeper = tiny.make_tiny_model(tmp_path / "deeper", layers=3)
    tiny.write_lora(tmp_path / "lora", deeper)
    change_json(tmp_path / "lora" / "config.json", num_hidden_layers=2)
    with pytest.raises(
        MismatchError, match=r"another base.*14 faults: no weight for .*layers\.2\."
    ):
        open_model(tmp_path / "lora", ImportOptions(base=base, tower=tower))


def test_an_adapter_without_its_projector(imports, tmp_path, tiny_palo):
    tiny.write_lora(tmp_path / "checkpoint-8", tiny_palo)
    (tmp_path / "checkpoint-8" / "non_lora_trainables.bin").unlink()
    with pytest.raises(DataError, match=r"no non_lora_trainables\.bin.*checkpoints in between"):
        open_model(tmp_path / "checkpoint-8")


@pytest.mark.parametrize("values", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"r": 5}])
def test_an_adapter_that_is_more_than_lora(imports, tmp_path, tiny_palo, values):
    tower = tiny.write_clip(tmp_path / "tower", tiny_palo)
    base = tiny.write_language_model(tmp_path / "base", tiny_palo)
    tiny.write_lora(tmp_path / "lora", tiny_palo)
    change_json(tmp_path / "lora" / "adapter_config.json", **values)
    with pytest.raises(MismatchError, match=r"more than plain LoRA|can be loaded"):
        open_model(tmp_path / "lora", ImportOptions(base=base, tower=tower))


def test_a_vocabulary_with_tokens_around_images_is_refused(llava_folder, tiny_palo):
    number = tiny_palo.language.vocab_size
    tiny.write_json(
        llava_folder / "added_tokens.json", {"<im_start>": number, "<im_end>": number + 1}
    )
    with pytest.raises(
        MismatchError, match=r"extended vocabulary: 2 added tokens: <im_start>, <im_"
    ):
        open_model(llava_folder)


def test_a_tokenizer_of_another_model(palo_folder, tmp_path, tiny_palo):
    name = LLAVA.from_canonical("language_model.model.embed_tokens.weight")
    head = LLAVA.from_canonical("language_model.lm_head.weight")
    for path in palo_folder.glob("*.bin"):
        weights = torch.load(path, weights_only=True)
        change_tensors(path, **{key: weights[key][:40] for key in (name, head) if key in weights})
    change_json(palo_folder / "config.json", vocab_size=40)
    with pytest.raises(
        MismatchError, match=r"that of another model: \d+ tokens, but 40 embeddings"
    ):
        open_model(palo_folder)


def test_no_tokenizer(palo_folder):
    (palo_folder / "tokenizer.model").unlink()
    with pytest.raises(MismatchError, match=r"no tokenizer here: .*palo"):
        open_model(palo_folder)


def test_a_part_is_no_model(imports, tmp_path, tiny_palo):
    folder = tiny.write_language_model(tmp_path / "vicuna", tiny_palo)
    with pytest.raises(MismatchError, match=r"only a part.*--parts\.language-model"):
        open_model(folder)
