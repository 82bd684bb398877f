"""How far reviewers agree."""

from dataclasses import replace

import pytest

from palo.metrics.chrf import chrf
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.item import Item, agreement_of, cohens_kappa, edition_of


def test_kappa_is_cohens():
    # The textbook's example: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no give 0.4.
    pairs = [("accept", "accept")] * 20 + [("accept", "reject")] * 5
    pairs += [("reject", "accept")] * 10 + [("reject", "reject")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([("accept", "accept"), ("reject", "reject")]) == 1
    assert cohens_kappa([("accept", "accept")]) is None


def test_two_reviewers(translation):
    items = []
    for number, (mine, yours) in enumerate([("accept", "accept"), ("accept", "reject")]):
        made = translation(number)
        said = ReviewDecision(
            key=made.key,
            edition=edition_of(made),
            reviewer="Amina",
            outcome=mine,
            texts=made.texts,
        )
        other = replace(said, reviewer="Bilal", outcome=yours, texts=("كم تفاحة؟", made.texts[1]))
        changed_mind = replace(other, outcome="reject", texts=("", ""))
        items.append(
            Item(translated=made, edition=said.edition, decisions=[changed_mind, said, other])
        )
    (found,) = agreement_of(items, chrf)
    assert (found.first, found.second, found.num_items) == ("Amina", "Bilal", 2)
    assert (found.same, found.kappa) == (0.5, 0.0)
    assert found.similarity == pytest.approx((100 + chrf("كم تفاحة في الصورة؟", ["كم تفاحة؟"])) / 2)
