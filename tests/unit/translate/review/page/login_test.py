"""Who may review, and under which name."""

import asyncio

import pytest

from palo import config
from palo.client import EndpointError
from palo.errors import ConfigError
from palo.security.access import KeyRing
from palo.security.keys import add_key, revoke_key
from palo.translate.review.page.reviewers import Reviewers
from palo.translate.review.page.settings import ReviewPage, review_texts


def test_the_name_of_the_key_is_the_reviewers(tmp_path):
    secret, _ = add_key(tmp_path / "keys.json", "آمنہ")
    reviewers = Reviewers(KeyRing(tmp_path / "keys.json"))
    token = asyncio.run(reviewers.admit(secret))
    visitor = reviewers.visitor(token)
    assert reviewers.name_of(visitor) == "آمنہ"
    assert secret not in repr(visitor)
    assert reviewers.value("another") is None
    reviewers.revoke(token)
    assert not reviewers.knows(token)
    with pytest.raises(EndpointError, match="isn't known"):
        asyncio.run(reviewers.admit("sk-palo-wrong"))
    assert reviewers.about("ur") == review_texts("ur")["review_about"]


def test_a_revoked_key_is_good_no_more(tmp_path):
    """Regression: a revoked key kept its page for twelve hours."""
    path = tmp_path / "keys.json"
    secret, key = add_key(path, "Amina")
    add_key(path, "Noor")
    now_s = [0.0]
    reviewers = Reviewers(KeyRing(path, clock=lambda: now_s[0]))
    visitor = reviewers.visitor(asyncio.run(reviewers.admit(secret)))
    assert asyncio.run(reviewers.is_still_good(visitor.value))
    revoke_key(path, key.id)
    now_s[0] = 5.0
    assert not asyncio.run(reviewers.is_still_good(visitor.value))


def test_names_that_anybody_can_type_are_for_this_machine_alone(tmp_path):
    config.check(ReviewPage(folder=tmp_path))
    config.check(ReviewPage(folder=tmp_path, host="0.0.0.0", key_file=tmp_path / "keys.json"))
    with pytest.raises(ConfigError, match="give a key_file"):
        config.check(ReviewPage(folder=tmp_path, host="0.0.0.0"))
    with pytest.raises(ConfigError, match="2 faults"):
        config.check(ReviewPage(folder=tmp_path, port=0, second_share=2.0))
