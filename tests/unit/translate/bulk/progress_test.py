from types import SimpleNamespace

from palo.translate.bulk.progress import TranslationProgress


def test_it_tells_speed_cost_and_what_is_to_come():
    said, now = [], [0.0]
    ledger = SimpleNamespace(cost=10.0)
    progress = TranslationProgress(said.append, 1000, 100, ledger, lambda: now[0])
    for _ in range(200):
        now[0] += 0.0625
        ledger.cost += 0.5
        progress.add(0.5)
    assert said[0] == (
        "translate: 180/1,000 conversations, 16/s, cost 50 so far, about 410 to come, 51 s left"
    )
    assert len(said) == 2
    progress.tell()
    progress.tell()
    assert len(said) == 3


def test_nothing_is_promised_before_anything_is_known():
    said = []
    progress = TranslationProgress(said.append, 5, 5, SimpleNamespace(cost=0.0), lambda: 0.0)
    progress.tell()
    assert said == ["translate: 5/5 conversations, 0.0/s"]
