"""What lies before whom, what comes next, and what becomes of decisions."""

from dataclasses import replace

import pytest

from palo.translate.review.decision import LOCK_WRONG, ReviewDecision
from palo.translate.review.page.queue import QueuePosition, ReviewerSession, ReviewQueue
from palo.translate.review.store import ReviewStore

_AMINA = ReviewerSession(reviewer="Amina", language="ar")
_BILAL = ReviewerSession(reviewer="Bilal", language="ar")


class _Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return _Clock()


@pytest.fixture
def desk(tmp_path, translation, clock):
    store = ReviewStore(tmp_path)
    store.add([translation(number, "ar", doubt=number / 10) for number in range(4)])
    return ReviewQueue(store, second_share=1.0, clock=clock)


def _number(place):
    return int(place.key.partition("/")[2][0]) if place.key else None


def _verdict(desk, place, **changes):
    texts = desk.store.find(place.key).translated.texts
    said = ReviewDecision(key="", edition="", reviewer="", opinion="accept", texts=texts)
    return replace(said, **changes)


def test_what_is_passed_over_comes_again_at_the_end(desk):
    place, numbers = QueuePosition(), []
    for _ in range(6):
        place = desk.move(_AMINA, place)
        numbers.append(_number(place))
    assert numbers == [3, 2, 1, 0, 3, 2]
    assert _number(desk.move(_AMINA, place, back=True)) == 3


def test_several_reviewers_do_not_start_with_the_same(desk, clock):
    mine, yours = desk.move(_AMINA, QueuePosition()), desk.move(_BILAL, QueuePosition())
    assert (_number(mine), _number(yours)) == (3, 2)
    clock.now_s += 1000
    assert (
        _number(desk.move(ReviewerSession(reviewer="Chitra", language="ar"), QueuePosition())) == 3
    )


def test_a_decision_is_saved_and_the_next_one_comes(desk):
    place = desk.move(_AMINA, QueuePosition())
    decided = desk.decide(_AMINA, place, _verdict(desk, place, tags=("term",)))
    assert decided.saved
    assert _number(desk.move(_AMINA, decided.place)) == 2
    progress = desk.progress(_AMINA)
    assert (progress.total, progress.done, progress.mine, progress.waiting) == (4, 1, 1, 3)
    assert desk.progress(_BILAL).waiting == 4
    others = replace(_BILAL, view="others")
    assert [item.key for item in desk.items(others)] == [place.key]
    assert desk.items(replace(_AMINA, view="others")) == []


def test_who_was_slower_is_told_and_can_save_after_all(desk):
    mine = desk.move(_AMINA, QueuePosition())
    yours = replace(mine)
    desk.decide(_BILAL, yours, _verdict(desk, yours, opinion="reject"))
    slower = desk.decide(_AMINA, mine, _verdict(desk, mine))
    assert (slower.saved, slower.faster) == (False, "Bilal")
    assert desk.decide(_AMINA, slower.place, _verdict(desk, mine)).saved
    assert [item.state for item in desk.items(replace(_AMINA, view="disputed"))] == ["disputed"]
    third = ReviewerSession(reviewer="Chitra", language="ar")
    assert desk.move(third, QueuePosition()).key == mine.key


def test_a_new_translation_is_told(desk, translation):
    place = desk.move(_AMINA, QueuePosition())
    said = _verdict(desk, place)
    desk.store.add([translation(3, "ar", texts=("كم؟", "3"))])
    assert desk.decide(_AMINA, place, said).renewed


def test_a_lock_must_stay_unless_the_reviewer_says_it_is_wrong(desk):
    place = desk.move(_AMINA, QueuePosition())
    texts = ("كم تفاحة في الصورة؟", "في الصورة تفاحات.")
    decided = desk.decide(_AMINA, place, _verdict(desk, place, texts=texts))
    assert [(fault.kind, fault.turn) for fault in decided.faults] == [("lock", 1)]
    assert not decided.saved
    said = _verdict(desk, place, texts=texts, opinion="reject")
    assert desk.decide(_AMINA, place, said).saved
    place = desk.move(_AMINA, place)
    said = _verdict(desk, place, texts=texts, tags=(LOCK_WRONG,))
    assert desk.decide(_AMINA, place, said).saved


def test_an_empty_desk(tmp_path):
    desk = ReviewQueue(ReviewStore(tmp_path), second_share=0.0)
    assert desk.move(_AMINA, QueuePosition()) == QueuePosition()
    assert desk.progress(_AMINA).total == 0
