import json

import pytest

from palo.config import check, from_dict, to_dict
from palo.errors import ConfigError
from palo.images.preprocessing import Preprocessing, read_preprocessing

DINOV2 = {
    "size": {"shortest_edge": 256},
    "crop_size": {"height": 224, "width": 224},
    "resample": 3,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def tower(folder, values=None):
    if values is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder


def test_a_towers_own_size_keeps_its_own_edge_when_cropping(tmp_path):
    found = read_preprocessing(tower(tmp_path, DINOV2), 224, "crop")
    assert (found.image_size, found.shortest_edge) == (224, 256)
    assert found.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(("size", "aspect"), [(224, "pad"), (336, "pad"), (336, "crop")])
def test_otherwise_the_whole_image_is_kept(tmp_path, size, aspect):
    found = read_preprocessing(tower(tmp_path, DINOV2), size, aspect)
    assert (found.image_size, found.shortest_edge) == (size, size)


def test_sizes_may_be_plain_numbers(tmp_path):
    found = read_preprocessing(tower(tmp_path, {"size": 256, "crop_size": 224}), 224, "crop")
    assert found.shortest_edge == 256


def test_a_bare_tower_gets_clips_colours(tmp_path):
    assert read_preprocessing(tower(tmp_path), 336) == Preprocessing()


def test_settings_survive_json():
    assert from_dict(Preprocessing, json.loads(json.dumps(to_dict(Preprocessing())))) == (
        Preprocessing()
    )


def test_wrong_values_are_refused():
    with pytest.raises(ConfigError, match="shortest_edge must be at least image_size"):
        check(Preprocessing(image_size=336, shortest_edge=224))
