"""What an image store knows isn't computed again; a store of another tower is refused."""

import asyncio
import dataclasses
import hashlib

import pytest
import torch

from palo.checkpoint.finished import describe_stage
from palo.errors import MismatchError
from palo.images.store import commit_store, prepare_store, write_shard
from palo.images.store_spec import StoreSpec
from palo.serve.decoder_pool import ImageRules
from palo.serve.image_encoder import ImageEncoder
from palo.serve.loading import load_models
from palo.serve.protocol.generate import RequestImage
from palo.serve.settings import ModelSource


@pytest.fixture
def make_store(finished_stage, image_files, tmp_path):
    """Writes a store that knows the first image."""
    stage = describe_stage(finished_stage)
    loaded = load_models([ModelSource(name="palo", folder=finished_stage)], "cpu")
    spec = StoreSpec(
        kind="features",
        shape=(16, 32),
        dtype="bf16",
        tower_fingerprint=stage.fingerprints["tower"],
        layer=loaded.model.config.vision_feature_layer,
        select=loaded.model.config.vision_feature_select,
        preprocessing=loaded.preprocessing,
    )

    def make(**changes):
        changed = dataclasses.replace(spec, **changes)
        row = torch.randn(1, *spec.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
        prepare_store(tmp_path, changed)
        name = hashlib.sha256(image_files[0].read_bytes()).hexdigest()
        write_shard(tmp_path, changed, [name], row)
        commit_store(tmp_path)
        return tmp_path, row[0]

    return make


def test_what_is_stored_is_read(make_store, finished_stage, image_files):
    folder, row = make_store()
    loaded = load_models([ModelSource(name="palo", folder=finished_stage, images=folder)], "cpu")
    encoder = ImageEncoder(loaded.model, loaded.preprocessing, ImageRules(), 1 << 20, loaded.store)
    files = [path.read_bytes() for path in image_files[:2]]
    images = [
        RequestImage(image_id=hashlib.sha256(data).hexdigest(), data=data, param="")
        for data in files
    ]
    found = asyncio.run(encoder.features_of(images, ""))
    assert (encoder.num_stored, encoder.num_computed) == (1, 1)
    assert torch.equal(found[images[0].image_id], row.float())
    shards = list((folder / "shards").glob("*.bin"))
    shards[0].write_bytes(bytes(shards[0].stat().st_size))
    damaged = ImageEncoder(loaded.model, loaded.preprocessing, ImageRules(), 1 << 20, loaded.store)
    asyncio.run(damaged.features_of(images[:1], ""))
    assert (damaged.num_stored, damaged.num_computed) == (0, 1)
    encoder.close()
    damaged.close()


def test_a_store_of_another_tower_is_refused(make_store, finished_stage):
    folder, _ = make_store(tower_fingerprint="other")
    source = ModelSource(name="palo", folder=finished_stage, images=folder)
    with pytest.raises(MismatchError, match="tower_fingerprint"):
        load_models([source], "cpu")
