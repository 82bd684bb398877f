import pytest
import torch
from transformers import CLIPVisionConfig, Dinov2Config, LlamaForCausalLM, ViTConfig

from palo.errors import MismatchError, StorageError
from palo.model import PaloForConditionalGeneration
from palo.model.sizes import SIZES, from_folders, from_parts, read_config


def num_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "language", "projector"),
    [
        ("mini", 134_515_008, 384 * 576 + 576 + 576 * 576 + 576),
        ("mobile-1.7b", 1_364_297_728, 18_936_832),
        ("7b", 6_738_415_616, 20_979_712),
        ("13b", 13_015_864_320, 31_467_520),
    ],
)
def test_sizes_are_the_papers(name: str, language: int, projector: int) -> None:
    with torch.device("meta"):
        model = PaloForConditionalGeneration(SIZES[name]())
    assert num_parameters(model.language_model) == language
    assert num_parameters(model.projector) == projector


@pytest.mark.parametrize("name", ["mobile-1.7b", "7b", "13b"])
def test_the_papers_tower_is_clip(name: str) -> None:
    config = SIZES[name]()
    assert isinstance(config.vision_config, CLIPVisionConfig)
    assert (config.input_image_size, config.num_patches) == (336, 576)
    with torch.device("meta"):
        tower = PaloForConditionalGeneration(config).vision_tower
    # CLIP ViT-L/14-336 has 303,507,456 parameters without its projection.
    assert num_parameters(tower) == 303_507_456


def test_every_call_gives_its_own_configuration() -> None:
    assert SIZES["7b"]().text_config is not SIZES["7b"]().text_config


def test_folders_decide_a_size(tmp_path, tiny_config) -> None:
    tiny = tiny_config()
    tiny.vision_config.save_pretrained(tmp_path / "tower")
    tiny.text_config.save_pretrained(tmp_path / "language")
    config = from_folders(tmp_path / "tower", tmp_path / "language", "ldp")
    assert config.text_config.to_dict() == tiny.text_config.to_dict()
    assert config.vision_config.to_dict() == tiny.vision_config.to_dict()
    assert config.tokens_per_image == 4


def test_a_language_folder_of_another_kind_is_a_mismatch(tmp_path) -> None:
    Dinov2Config().save_pretrained(tmp_path)
    with pytest.raises(MismatchError, match=r"no language model of a known.*dinov2"):
        from_folders(tmp_path, tmp_path)


@pytest.mark.parametrize("text", ['{"model_type": "no-such"}', "{}", "[]"])
def test_an_unknown_configuration_is_a_mismatch(tmp_path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(MismatchError, match="transformers knows"):
        read_config(tmp_path)


def test_a_missing_folder_is_a_storage_error(tmp_path) -> None:
    with pytest.raises(StorageError, match=r"can't read .*config\.json"):
        read_config(tmp_path / "absent")


def test_any_tower_goes_with_any_language_model(tiny_config) -> None:
    tower = ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=8,
    )
    model = PaloForConditionalGeneration(from_parts(tower, tiny_config().text_config))
    assert isinstance(model.language_model, LlamaForCausalLM)
    assert model.projector[0].in_features == 24
