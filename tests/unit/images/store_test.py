import dataclasses

import pytest
import torch

from palo.errors import DataError, MismatchError, StorageError
from palo.images.preprocessing import Preprocessing
from palo.images.store import (
    ImageStore,
    commit_store,
    prepare_store,
    write_shard,
)
from palo.images.store_spec import StoreSpec, read_spec

IDS = [f"{number:064x}" for number in range(8)]


def make_spec(dtype="bf16", **changes):
    values = {
        "kind": "features",
        "shape": (4, 6),
        "dtype": dtype,
        "tower_fingerprint": "aaaa000011112222",
        "layer": -2,
        "select": "patch",
        "preprocessing": Preprocessing(image_size=28, shortest_edge=28),
    }
    return StoreSpec(**(values | changes))


def filled(folder, spec, ids=IDS[:3], seed=0):
    rows = torch.randn(len(ids), *spec.shape, generator=torch.Generator().manual_seed(seed))
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    rows = rows.to(kinds[spec.dtype])
    prepare_store(folder, spec)
    write_shard(folder, spec, ids, rows)
    commit_store(folder)
    return rows


@pytest.mark.parametrize("dtype", ["bf16", "fp16", "fp32"])
def test_rows_come_back_bit_for_bit(tmp_path, dtype):
    spec = make_spec(dtype)
    rows = filled(tmp_path, spec)
    store = ImageStore(tmp_path, expected=spec)
    assert len(store) == 3
    for image_id, row in zip(IDS, rows, strict=False):
        assert torch.equal(store.read(image_id), row)
        assert store.read(image_id).dtype == row.dtype


def test_pixels_are_kept_as_bytes(tmp_path):
    spec = make_spec("uint8", kind="pixels", shape=(3, 5, 5), tower_fingerprint="", select="")
    pixels = torch.arange(75, dtype=torch.uint8).reshape(1, 3, 5, 5)
    prepare_store(tmp_path, spec)
    write_shard(tmp_path, spec, IDS[:1], pixels)
    commit_store(tmp_path)
    assert torch.equal(ImageStore(tmp_path).read(IDS[0]), pixels[0])


def test_a_later_build_adds_only_new_shards(tmp_path):
    spec = make_spec()
    first = filled(tmp_path, spec, IDS[:3])
    shard = next((tmp_path / "shards").iterdir())
    written = shard.stat().st_mtime_ns
    assert prepare_store(tmp_path, spec) == set(IDS[:3])
    second = filled(tmp_path, spec, IDS[3:5], seed=1)
    store = ImageStore(tmp_path)
    assert len(store) == 5
    assert shard.stat().st_mtime_ns == written
    assert torch.equal(store.read(IDS[2]), first[2])
    assert torch.equal(store.read(IDS[4]), second[1])


def test_shards_of_a_build_that_died_are_found_again(tmp_path):
    spec = make_spec()
    prepare_store(tmp_path, spec)
    write_shard(tmp_path, spec, IDS[:2], torch.zeros(2, 4, 6, dtype=torch.bfloat16))
    assert prepare_store(tmp_path, spec) == set(IDS[:2])


def test_a_deleted_or_cut_shard_is_forgotten_so_that_a_build_mends_it(tmp_path):
    spec = make_spec()
    filled(tmp_path, spec, IDS[:3])
    filled(tmp_path, spec, IDS[3:5])
    shards = {path.stat().st_size: path for path in (tmp_path / "shards").iterdir()}
    shards[3 * spec.row_bytes].unlink()
    cut = shards[2 * spec.row_bytes]
    cut.write_bytes(cut.read_bytes()[:-1])
    assert commit_store(tmp_path) == {IDS[3]}


def test_a_damaged_row_names_shard_and_remedy(tmp_path):
    filled(tmp_path, make_spec())
    shard = next((tmp_path / "shards").iterdir())
    data = bytearray(shard.read_bytes())
    data[make_spec().row_bytes + 7] ^= 1
    shard.write_bytes(data)
    store = ImageStore(tmp_path)
    store.read(IDS[0])
    with pytest.raises(StorageError, match=f"{shard.name}.*damaged.*row 1.*Delete that file"):
        store.read(IDS[1])


def test_a_store_made_with_other_things_is_refused(tmp_path):
    spec = make_spec()
    filled(tmp_path, spec)
    other = dataclasses.replace(spec, tower_fingerprint="ffff000011112222", layer=-1)
    with pytest.raises(MismatchError, match=r"tower_fingerprint and layer.*ffff000011112222"):
        ImageStore(tmp_path, expected=other)
    with pytest.raises(MismatchError, match="another store folder"):
        prepare_store(tmp_path, dataclasses.replace(spec, dtype="fp16"))
    newer = dataclasses.replace(spec.preprocessing, version=2)
    with pytest.raises(MismatchError, match="preprocessing"):
        prepare_store(tmp_path, dataclasses.replace(spec, preprocessing=newer))
    assert read_spec(tmp_path) == spec


def test_a_missing_image_is_named(tmp_path):
    filled(tmp_path, make_spec())
    store = ImageStore(tmp_path)
    assert IDS[0] in store
    assert IDS[7] not in store
    with pytest.raises(DataError, match=IDS[7]):
        store.read(IDS[7])


def test_rows_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(1, 4, 6\) of bf16"):
        write_shard(tmp_path, make_spec(), IDS[:1], torch.zeros(1, 4, 7, dtype=torch.bfloat16))


def test_a_store_on_s3_holds_the_same_rows(bucket):
    spec = make_spec()
    folder = bucket / "images"
    rows = filled(folder, spec)
    more = filled(folder, spec, IDS[3:5], seed=1)
    assert prepare_store(folder, spec) == frozenset(IDS[:5])
    store = ImageStore(folder, expected=spec)
    for image, row in zip(store.read_all(IDS[:5]), (*rows, *more), strict=True):
        assert torch.equal(image, row)
    (shard, *_) = (folder / "shards").iterdir()
    shard.write_bytes(shard.read_bytes()[: spec.row_bytes])
    assert len(commit_store(folder)) < 5
    with pytest.raises(DataError, match="lacks an image"):
        ImageStore(folder).read_all([IDS[7], IDS[0]])
