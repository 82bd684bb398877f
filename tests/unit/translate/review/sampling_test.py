"""What people see, and in which order."""

from dataclasses import replace

import pytest

from palo import config
from palo.errors import ConfigError
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.sampling import SampleSettings, num_wanted, sample, waiting_items
from palo.translate.review.store import ReviewStore
from palo.translate.translated import Decision


def test_the_most_doubtful_come_first_and_some_of_the_accepted_by_chance(translation):
    rows = [
        translation(number, code, doubt=number / 100, decision=Decision.REVIEW)
        for code in ("ar", "bn")
        for number in range(40)
    ] + [translation(number, code) for code in ("ar", "bn") for number in range(40, 90)]
    rows.append(translation(99, "ar", doubt=1.0, decision=Decision.QUARANTINE))
    settings = SampleSettings(per_language=20, blind_share=0.25)
    chosen = sample(rows, settings)
    assert sample(reversed(rows), settings) != chosen
    for code in ("ar", "bn"):
        mine = [row for row in chosen if row.language == code]
        assert [row.doubt for row in mine[:15]] == [number / 100 for number in range(39, 24, -1)]
        assert len(mine) == 20
        assert {row.doubt for row in mine[15:]} == {0.0}
    assert {row.key for row in sample(reversed(rows), settings)} == {row.key for row in chosen}
    other = sample(rows, replace(settings, seed=1))
    assert {row.key for row in other} != {row.key for row in chosen}


def test_settings_out_of_range_are_told():
    with pytest.raises(ConfigError, match=r"2 faults.*per_language.*blind_share"):
        config.check(SampleSettings(per_language=0, blind_share=1.5))


def test_a_reviewers_queue(tmp_path, translation):
    store = ReviewStore(tmp_path)
    store.add([translation(number, "ur", doubt=number / 10) for number in range(8)])
    items = {item.translated.doubt: item for item in store.items()}

    def say(doubt, reviewer, outcome):
        item = items[doubt]
        decision = ReviewDecision(
            key=item.key,
            edition=item.edition,
            reviewer=reviewer,
            outcome=outcome,
            texts=item.translated.texts,
        )
        store.save(decision, seen_version=item.version)

    say(0.1, "Amina", "accept")
    say(0.1, "Bilal", "reject")
    say(0.6, "Amina", "accept")
    once = [
        item.translated.doubt for item in waiting_items(store.items(), "Chitra", second_share=0)
    ]
    assert once == [0.1, 0.7, 0.5, 0.4, 0.3, 0.2, 0.0]
    twice = [
        item.translated.doubt for item in waiting_items(store.items(), "Chitra", second_share=1)
    ]
    assert twice == [0.1, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.0]
    assert 0.6 not in [
        i.translated.doubt for i in waiting_items(store.items(), "Amina", second_share=1)
    ]


def test_the_share_that_two_people_see(tmp_path, translation):
    store = ReviewStore(tmp_path)
    store.add([translation(number, "hi") for number in range(300)])
    seen_twice = sum(num_wanted(item, 0.3) == 2 for item in store.items())
    assert 60 < seen_twice < 120
