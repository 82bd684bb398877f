import pytest
import torch
from transformers import LlamaConfig

from palo.inference.kv_cache import BlockKeys, KVCache, PrefixCache


def names(*parts, weights="", salt=""):
    keys = BlockKeys(weights, 4, salt)
    for part in parts:
        if isinstance(part, tuple):
            keys.add_image(*part)
        else:
            keys.add_ids(part)
    return keys.names


def test_a_name_covers_all_that_comes_before():
    one, other = names(range(12)), names([9, *range(1, 12)])
    assert len(one) == 3
    assert not set(one) & set(other)
    assert names(range(12))[:2] == names(range(8))


def test_only_whole_blocks_have_names():
    assert names(range(3)) == []
    keys = BlockKeys("", 4)
    for token_id in range(9):
        keys.add_ids([token_id])
    assert keys.names == names(range(11))


def test_images_differ_by_their_content_and_place():
    assert names(("cat", 4)) != names(("dog", 4))
    assert names([1], ("cat", 3)) != names(("cat", 3), [1])
    assert names(("cat", 8)) != names(("cat", 4), ("cat", 4))
    assert names(("cat", 4)) != names([-200] * 4)


def test_adapters_do_not_share_blocks():
    assert names(range(8)) != names(range(8), weights="formal")


def test_salts_do_not_share_blocks():
    plain = names(range(8))
    salted = [names(range(8), salt=salt) for salt in ("key a", "key b", "formal")]
    assert len({tuple(found) for found in (plain, *salted, names(range(8), weights="formal"))}) == 5
    assert names(range(8), salt="key a") == salted[0]


@pytest.fixture
def slots():
    config = LlamaConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1
    )
    cache = KVCache(config, 3, 20, torch.float32, torch.device("cpu"))
    assert not cache.kv.any()
    cache.kv.copy_(torch.randn(cache.kv.shape))
    return cache


def test_blocks_come_back_where_they_were(slots):
    cache = PrefixCache(slots, 4, 2**20)
    row = names(range(16))
    cache.store(row, 0, 0)
    assert cache.restore(row[1:3], 2, 1) == 2
    assert torch.equal(slots.block(2, 4, 8), slots.block(0, 4, 8))
    assert not torch.equal(slots.block(2, 0, 4), slots.block(0, 0, 4))
    assert cache.restore(names([7] * 8), 2, 0) == 0


def test_a_gap_ends_what_can_be_used(slots):
    cache = PrefixCache(slots, 4, 2**20)
    row = names(range(16))
    cache.store(row[:1], 0, 0)
    cache.store(row[2:], 0, 2)
    assert cache.restore(row, 1, 0) == 1


def test_what_was_used_last_stays_and_ends_go_first(slots):
    cache = PrefixCache(slots, 4, 4 * 2 * 2 * 4 * 4 * 4)
    assert cache.num_blocks == 4
    old, new = names(range(12)), names(range(50, 58))
    cache.store(old, 0, 0)
    cache.restore(old, 1, 0)
    cache.store(new, 2, 0)
    # One of five had to go: the end of the row that was asked for before.
    assert [name in cache for name in (*old, *new)] == [True, True, False, True, True]
    assert cache.used_bytes == 4 * cache.block_bytes
    cache.store(names(range(80, 96)), 0, 0)
    assert len(cache) == 4
    assert not any(name in cache for name in (*old, *new))


def test_no_memory_keeps_nothing(slots):
    cache = PrefixCache(slots, 4, 100)
    cache.store(names(range(12)), 0, 0)
    assert len(cache) == 0
