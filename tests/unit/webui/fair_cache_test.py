from palo.webui.fair_cache import FairCache


def cache(max_entries=9, max_size=9, max_total_size=99):
    return FairCache(max_entries=max_entries, max_size=max_size, max_total_size=max_total_size)


def test_the_oldest_of_a_visitor_goes_first():
    kept = cache(max_entries=2)
    assert [kept.keep("v", name, 1) for name in "abc"] == [[], [], ["a"]]
    assert kept.keep("v", "b", 1) == []  # is the latest again
    assert kept.keep("v", "d", 1) == ["c"]


def test_a_visitor_has_so_much():
    kept = cache()
    assert [kept.keep("v", name, 4) for name in "abc"] == [[], [], ["a"]]
    assert kept.keep("v", "huge", 10) == ["b", "c", "huge"]
    assert kept.total_size == 0


def test_who_keeps_most_makes_room_for_the_others():
    kept = cache(max_total_size=10)
    kept.keep("modest", "mine", 1)
    for name in "abcd":
        kept.keep("stranger", name, 2)
    assert kept.keep("newcomer", "new", 3) == ["a"]
    assert kept.total_size == 10


def test_what_others_keep_too_stays():
    kept = cache(max_entries=1)
    kept.keep("one", "same", 1)
    kept.keep("other", "same", 1)
    assert kept.keep("one", "new", 1) == []
    assert kept.keep("other", "newer", 1) == ["same"]
