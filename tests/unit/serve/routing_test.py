from collections import Counter

from palo.serve.routing import rank_replicas

NAMES = [f"r{n}" for n in range(4)]


def test_a_key_has_one_replica_as_long_as_that_has_a_free_slot():
    first = rank_replicas(NAMES, {}, "cat", 8)[0]
    assert rank_replicas(NAMES[::-1], {first: 7}, "cat", 8)[0] == first
    assert sorted(rank_replicas(NAMES, {}, "cat", 8)) == NAMES


def test_a_full_replica_passes_on_to_the_next_of_that_key():
    first, second, *_ = rank_replicas(NAMES, {}, "cat", 8)
    assert rank_replicas(NAMES, {first: 8}, "cat", 8)[0] == second
    assert rank_replicas(NAMES, {first: 8}, "cat", 8)[-1] == first


def test_where_all_are_busy_alike_a_key_stays():
    first = rank_replicas(NAMES, {}, "cat", 8)[0]
    loads = dict.fromkeys(NAMES, 20)
    assert rank_replicas(NAMES, loads, "cat", 8)[0] == first
    assert rank_replicas(NAMES, loads | {first: 30}, "cat", 8)[0] != first


def test_one_hot_image_starves_nobody():
    loads = Counter()
    for _ in range(80):
        loads[rank_replicas(NAMES, loads, "hot", 8)[0]] += 1
    assert max(loads.values()) <= 1.25 * 80 / len(NAMES) + 1


def test_a_replica_that_goes_moves_only_its_own_keys():
    keys = [f"image {n}" for n in range(200)]
    before = {key: rank_replicas(NAMES, {}, key, 8)[0] for key in keys}
    after = {key: rank_replicas(NAMES[:-1], {}, key, 8)[0] for key in keys}
    assert all(after[key] == name for key, name in before.items() if name != NAMES[-1])
    assert min(Counter(before.values()).values()) > 25
