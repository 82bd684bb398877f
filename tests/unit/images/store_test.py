import dataclasses
from concurrent.futures import ThreadPoolExecutor

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
from palo.images.store_spec import StoreSpec, find_store, read_spec

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


def test_another_machines_features_of_the_same_images_are_another_shard(tmp_path):
    """Else the checksums of one would judge the bytes of the other."""
    spec = make_spec()
    filled(tmp_path, spec, seed=0)
    name = next((tmp_path / "shards").iterdir()).name
    rows = torch.zeros(3, *spec.shape, dtype=torch.bfloat16)
    assert write_shard(tmp_path, spec, IDS[:3], rows) != name.removesuffix(".bin")
    commit_store(tmp_path)
    assert len(ImageStore(tmp_path)) == 3
    ImageStore(tmp_path).read_all(IDS[:3])


def test_two_builds_that_write_at_once_lose_nothing(tmp_path):
    spec = make_spec()
    prepare_store(tmp_path, spec)

    def build(number):
        for round_ in range(4):
            ids = [f"{number}{round_}{image:062x}" for image in range(3)]
            write_shard(tmp_path, spec, ids, torch.zeros(3, *spec.shape, dtype=torch.bfloat16))
            commit_store(tmp_path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(build, range(4)))
    assert len(ImageStore(tmp_path)) == 48


def test_what_another_build_overwrote_in_the_index_on_s3_is_found_in_its_part(bucket):
    spec = make_spec()
    store = bucket / "store"
    filled(store, spec, IDS[:3])
    before = (store / "index.parquet").read_bytes()
    filled(store, spec, IDS[3:5])
    (store / "index.parquet").write_bytes(before)  # as by a merge that began before
    ImageStore(store).read_all(IDS[:5])
    assert commit_store(store) == frozenset(IDS[:5])


def test_equal_content_has_one_name_and_any_other_content_another(tmp_path):
    spec = make_spec()
    assert spec.name == make_spec().name
    assert spec.name.startswith("features-pad-28-")
    others = [
        make_spec(tower_fingerprint="b" * 16),
        make_spec(computed_in="bfloat16"),
        make_spec(preprocessing=Preprocessing(image_size=28, shortest_edge=28, aspect="crop")),
    ]
    assert len({spec.name, *(other.name for other in others)}) == 4


def test_a_store_of_older_versions_is_one_that_was_computed_in_float32(tmp_path):
    filled(tmp_path, make_spec())
    assert "computed_in" not in (tmp_path / "manifest.json").read_text()
    assert read_spec(tmp_path).computed_in == "float32"


def test_the_store_of_a_tower_is_found_among_others(tmp_path):
    other, own = make_spec(layer=-1), make_spec("fp16", computed_in="bfloat16")
    for spec in (other, own):
        filled(tmp_path / spec.name, spec)
    assert find_store(tmp_path, make_spec()) == tmp_path / own.name
    assert find_store(tmp_path / other.name, make_spec()) == tmp_path / other.name
    assert find_store(tmp_path, make_spec(layer=-3)) == tmp_path
