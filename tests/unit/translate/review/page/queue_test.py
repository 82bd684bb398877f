"""What lies before whom, what comes next, and what becomes of decisions."""

from dataclasses import replace

import pytest

from palo.translate.review.decision import SPAN_WRONG, ReviewDecision
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
def queue(tmp_path, translation, clock):
    store = ReviewStore(tmp_path)
    store.add([translation(number, "ar", doubt=number / 10) for number in range(4)])
    return ReviewQueue(store, second_share=1.0, clock=clock)


def _number(position):
    return int(position.key.partition("/")[2][0]) if position.key else None


def _decision(queue, position, **changes):
    texts = queue.store.find(position.key).translated.texts
    said = ReviewDecision(key="", edition="", reviewer="", outcome="accept", texts=texts)
    return replace(said, **changes)


def test_what_is_passed_over_comes_again_at_the_end(queue):
    position, numbers = QueuePosition(), []
    for _ in range(6):
        position = queue.move(_AMINA, position)
        numbers.append(_number(position))
    assert numbers == [3, 2, 1, 0, 3, 2]
    assert _number(queue.move(_AMINA, position, back=True)) == 3


def test_several_reviewers_do_not_start_with_the_same(queue, clock):
    mine, yours = queue.move(_AMINA, QueuePosition()), queue.move(_BILAL, QueuePosition())
    assert (_number(mine), _number(yours)) == (3, 2)
    clock.now_s += 1000
    assert (
        _number(queue.move(ReviewerSession(reviewer="Chitra", language="ar"), QueuePosition())) == 3
    )


def test_a_decision_is_saved_and_the_next_one_comes(queue):
    position = queue.move(_AMINA, QueuePosition())
    decided = queue.decide(_AMINA, position, _decision(queue, position, tags=("term",)))
    assert decided.saved
    assert _number(queue.move(_AMINA, decided.position)) == 2
    progress = queue.progress(_AMINA)
    assert (progress.total, progress.done, progress.mine, progress.waiting) == (4, 1, 1, 3)
    assert queue.progress(_BILAL).waiting == 4
    others = replace(_BILAL, view="others")
    assert [item.key for item in queue.items(others)] == [position.key]
    assert queue.items(replace(_AMINA, view="others")) == []


def test_who_was_slower_is_told_and_can_save_after_all(queue):
    mine = queue.move(_AMINA, QueuePosition())
    yours = replace(mine)
    queue.decide(_BILAL, yours, _decision(queue, yours, outcome="reject"))
    slower = queue.decide(_AMINA, mine, _decision(queue, mine))
    assert (slower.saved, slower.newer_reviewer) == (False, "Bilal")
    assert queue.decide(_AMINA, slower.position, _decision(queue, mine)).saved
    assert [item.state for item in queue.items(replace(_AMINA, view="disputed"))] == ["disputed"]
    third = ReviewerSession(reviewer="Chitra", language="ar")
    assert queue.move(third, QueuePosition()).key == mine.key


def test_a_new_translation_is_told(queue, translation):
    position = queue.move(_AMINA, QueuePosition())
    said = _decision(queue, position)
    queue.store.add([translation(3, "ar", texts=("كم؟", "3"))])
    assert queue.decide(_AMINA, position, said).retranslated


def test_a_lock_must_stay_unless_the_reviewer_says_it_is_wrong(queue):
    position = queue.move(_AMINA, QueuePosition())
    texts = ("كم تفاحة في الصورة؟", "في الصورة تفاحات.")
    decided = queue.decide(_AMINA, position, _decision(queue, position, texts=texts))
    assert [(fault.kind, fault.turn) for fault in decided.faults] == [("span", 1)]
    assert not decided.saved
    said = _decision(queue, position, texts=texts, outcome="reject")
    assert queue.decide(_AMINA, position, said).saved
    position = queue.move(_AMINA, position)
    said = _decision(queue, position, texts=texts, tags=(SPAN_WRONG,))
    assert queue.decide(_AMINA, position, said).saved


def test_an_empty_desk(tmp_path):
    queue = ReviewQueue(ReviewStore(tmp_path), second_share=0.0)
    assert queue.move(_AMINA, QueuePosition()) == QueuePosition()
    assert queue.progress(_AMINA).total == 0
