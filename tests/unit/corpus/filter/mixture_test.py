import dataclasses

import numpy as np
import pytest

from palo import config
from palo.corpus.filter.mixture import (
    EVERYTHING,
    MixtureSettings,
    choose,
    quotas_of,
    written,
)
from palo.errors import ConfigError

CODES, NAMES = ("en", "ur", "zh"), ("big", "small")


def records(count=3000, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "digests": rng.integers(0, 1 << 63, (count, 2)).astype(np.uint64),
        "sources": (rng.random(count) < 0.2).astype(np.int16),
        "numbers": rng.choice(3, count, p=[0.6, 0.1, 0.3]).astype(np.int16),
        "has_image": rng.random(count) < 0.8,
    }


def pick(settings, rows):
    return choose(settings, names=NAMES, codes=CODES, **rows)


def counts(chosen, rows):
    found = np.bincount(rows["numbers"][chosen], minlength=3)
    return dict(zip(CODES, found.tolist(), strict=True))


def test_everything_is_chosen_unless_said_otherwise():
    assert EVERYTHING.takes_all
    assert pick(EVERYTHING, records()).all()


def test_limits_hold_by_language_source_and_in_all():
    rows = records()
    chosen = pick(MixtureSettings(languages=("en", "zh")), rows)
    assert (chosen == (rows["numbers"] != 1)).all()
    chosen = pick(MixtureSettings(per_source={"small": 50}), rows)
    assert chosen[rows["sources"] == 1].sum() == 50
    assert chosen[rows["sources"] == 0].all()
    chosen = pick(MixtureSettings(per_language={"en": 100, "zh": 7}), rows)
    assert counts(chosen, rows) == counts(np.ones(3000, bool), rows) | {"en": 100, "zh": 7}
    assert pick(MixtureSettings(total=123), rows).sum() == 123


@pytest.mark.parametrize("total", [None, 90, 1])
def test_shares_are_kept_as_far_as_the_scarcest_language_goes(total):
    rows = records()
    present = counts(np.ones(3000, bool), rows)
    found = counts(pick(MixtureSettings(shares={"en": 2, "ur": 1}, total=total), rows), rows)
    assert found["zh"] == 0
    assert sum(found.values()) == min(total or 3 * present["ur"], 3 * present["ur"])
    assert abs(found["en"] - 2 * found["ur"]) <= 2


def test_a_temperature_evens_languages_out_and_the_scarcest_keeps_all():
    rows = records()
    present = counts(np.ones(3000, bool), rows)
    assert counts(pick(MixtureSettings(temperature=1), rows), rows) == present
    found = counts(pick(MixtureSettings(temperature=2), rows), rows)
    assert found["ur"] == present["ur"]
    for code in ("en", "zh"):
        expected = present["ur"] * (present[code] / present["ur"]) ** 0.5
        assert abs(found[code] - expected) <= 1
    even = counts(pick(MixtureSettings(temperature=1e6), rows), rows)
    assert set(even.values()) == {present["ur"]}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_records_without_an_image_make_up_a_share_at_most(share):
    rows = records()
    chosen = pick(MixtureSettings(text_only_share=share), rows)
    assert chosen[rows["has_image"]].all()
    of_text = (~rows["has_image"])[chosen].sum()
    if share == 0.5:  # there are fewer
        assert of_text == (~rows["has_image"]).sum()
    else:
        assert of_text == int(rows["has_image"].sum() * share / (1 - share))


def test_quotas_use_up_what_there_is():
    assert quotas_of({"en": 1, "ur": 1, "zh": 1}, {"en": 9, "ur": 9, "zh": 9}, 10) == {
        "en": 4,
        "ur": 3,
        "zh": 3,
    }
    assert quotas_of({"en": 0.7, "ur": 0.3}, {"en": 70, "ur": 30}, None) == {"en": 70, "ur": 30}
    assert quotas_of({"en": 1, "ur": 1}, {"en": 5}, None) == {"en": 0, "ur": 0}


SETTINGS = [
    MixtureSettings(total=500),
    MixtureSettings(languages=("en", "ur"), per_source={"big": 300}, total=350),
    MixtureSettings(per_language={"en": 200, "zh": 10}),
    MixtureSettings(shares={"en": 1, "zh": 2}, total=400),
    MixtureSettings(temperature=3),
    MixtureSettings(text_only_share=0.1),
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_choice_depends_on_records_and_seed_alone(settings):
    rows = records()
    first = pick(settings, rows)
    order = np.random.default_rng(1).permutation(3000)
    again = pick(settings, {name: values[order] for name, values in rows.items()})
    assert (first[order] == again).all()
    other = pick(dataclasses.replace(settings, seed=1), rows)
    assert other.sum() == first.sum()
    assert (other != first).any()


@pytest.mark.parametrize("settings", SETTINGS)
def test_in_each_source_and_language_the_lowest_ranks_are_chosen(settings):
    rows = records()
    few = pick(settings, rows)
    more = pick(dataclasses.replace(settings, total=None), rows)
    assert (few <= more).all()


def test_a_source_that_comes_along_leaves_the_others_alone():
    rows, more = records(), records(500, seed=9)
    settings = MixtureSettings(per_source={"big": 300, "small": 40})
    alone = pick(settings, rows)
    more["sources"][:] = 2
    both = {name: np.concatenate([more[name], rows[name]]) for name in rows}
    together = choose(settings, names=(*NAMES, "new"), codes=CODES, **both)
    assert together[:500].all()
    assert (together[500:] == alone).all()


def test_choices_are_even():
    rows = records(20_000)
    chosen = pick(MixtureSettings(total=5000), rows)
    share = chosen[rows["numbers"] == 1].mean()
    assert abs(share - 0.25) < 0.04


def test_wrong_settings_are_told():
    wrong = MixtureSettings(
        languages=("en",), per_language={"xx": 1}, shares={"ur": -1}, total=0,
        per_source={"a": -1}, temperature=0.5, text_only_share=1,
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        config.check(wrong)
    for word in ("'xx'", "share of ur", "not among the languages", "total", "per_source of a",
                 "temperature must", "two ways", "text_only_share"):  # fmt: skip
        assert word in str(caught.value)
    settings = MixtureSettings(shares={"en": 0.5}, languages=("en",))
    assert config.from_dict(MixtureSettings, config.to_dict(settings)) == settings


def test_images_may_speak_fewer_languages_than_text():
    rows = records()
    settings = MixtureSettings(image_languages=("en",), text_only_share=0.1)
    chosen = pick(settings, rows)
    shown, english = rows["has_image"], rows["numbers"] == 0
    assert (chosen[shown] == english[shown]).all()
    assert set(rows["numbers"][chosen & ~shown].tolist()) == {0, 1, 2}
    share = (chosen & ~shown).sum() / chosen.sum()
    assert share == pytest.approx(0.1, abs=0.001)
    assert not settings.takes_all
    assert "images in en alone" in list(settings.lines())
    with pytest.raises(ConfigError, match="image_languages has 'xx'"):
        config.check(MixtureSettings(image_languages=("xx",)))


def test_a_mixture_without_later_settings_is_written_as_before():
    assert "image_languages" not in written(EVERYTHING)
    assert written(MixtureSettings(image_languages=("en",)))["image_languages"] == ["en"]
