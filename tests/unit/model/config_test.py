import pytest
from transformers import AutoConfig, CLIPVisionConfig, Dinov2Config, LlamaConfig, ResNetConfig

from palo.errors import ConfigError
from palo.model import PaloConfig


def test_the_default_tower_is_the_papers() -> None:
    config = PaloConfig()
    assert (config.num_patches, config.tokens_per_image) == (576, 576)
    assert (config.vision_hidden_size, config.feature_layer_index) == (1024, 23)


def test_ldp_leaves_a_quarter_of_the_tokens() -> None:
    assert PaloConfig(projector_type="ldp").tokens_per_image == 144


def test_another_image_size_changes_the_patches_not_the_tower() -> None:
    config = PaloConfig(vision_config=Dinov2Config(image_size=518, patch_size=14), image_size=336)
    assert config.num_patches == 576
    assert config.vision_config.image_size == 518


@pytest.mark.parametrize(("layer", "index"), [(-1, 24), (-2, 23), (0, 0), (24, 24), (-25, 0)])
def test_layers_count_from_both_ends(layer: int, index: int) -> None:
    assert PaloConfig(vision_feature_layer=layer).feature_layer_index == index


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"projector_type": "ldpnetv2"}, "projector_type 'ldpnetv2'"),
        ({"vision_feature_layer": -26}, "vision_feature_layer -26 of 24 layers"),
        ({"vision_feature_select": "cls_patch"}, "'cls_patch'"),
        ({"image_size": 335}, "image_size 335 is not a multiple"),
        (
            {"vision_config": ResNetConfig()},
            "hidden_size, image_size, num_hidden_layers, patch_size",
        ),
    ],
)
def test_parts_that_do_not_fit_are_named(values: dict, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        PaloConfig(**values)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError, match=r"vision_feature_layer 99.*projector_type 'no'"):
        PaloConfig(vision_feature_layer=99, projector_type="no")


def test_a_round_trip_through_a_folder(tmp_path, tiny_config) -> None:
    config = tiny_config("ldp")
    config.save_pretrained(tmp_path)
    read = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(read, PaloConfig)
    assert isinstance(read.text_config, LlamaConfig)
    assert isinstance(read.vision_config, CLIPVisionConfig)
    assert read.to_diff_dict() == config.to_diff_dict()


def test_the_sentinel_is_the_one_of_the_encoder() -> None:
    encoding = pytest.importorskip("palo.text.encoding")
    assert PaloConfig().image_sentinel == encoding.IMAGE_SENTINEL
