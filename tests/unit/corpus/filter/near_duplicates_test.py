"""Near duplicates are found in every language, and nothing else is."""

import json
import random
import unicodedata

import numpy as np
import pytest

from palo import languages
from palo.corpus.filter.near_duplicates import (
    SIGNATURE_BYTES,
    near_groups,
    signatures,
    similarity,
)

SHARES = (0.005, 0.01, 0.02)
"""Edited characters; the last leaves a similarity of 0.81 to 0.90, depending on the script."""


@pytest.fixture(scope="module")
def paragraphs(data_folder):
    """By language 100 real texts of five sentences."""
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:500]
    return {
        code: [" ".join(row[code] for row in rows[i : i + 5]) for i in range(0, len(rows), 5)]
        for code in languages.codes()
    }


def made_texts(count, seed, letters="abcdefghijklmnopqrstuvwxyz", words=40):
    rng = random.Random(seed)
    return [
        " ".join("".join(rng.choices(letters, k=rng.randint(2, 8))) for _ in range(words))
        for _ in range(count)
    ]


def edited(text, share, rng):
    """Writes other characters of the same text in place of some."""
    characters = list(text)
    for _ in range(max(1, round(len(text) * share))):
        characters[rng.randrange(len(text))] = rng.choice(text)
    return "".join(characters)


def shingles(text):
    folded = "".join(unicodedata.normalize("NFKC", text.casefold()).split())
    marked = f"\1{folded}\0\0\0\0"
    return {marked[i : i + (3 if ord(marked[i]) >= 0x2E80 else 5)] for i in range(len(folded) + 1)}


def overlap(first, second):
    one, other = shingles(first), shingles(second)
    return len(one & other) / len(one | other)


@pytest.mark.data
@pytest.mark.parametrize("code", languages.codes())
def test_edited_texts_are_found_in_every_language_and_others_are_not(paragraphs, code):
    rng = random.Random(code)
    texts = paragraphs[code]
    for share in SHARES:
        copies = [edited(text, share, rng) for text in texts]
        groups = near_groups(signatures([*texts, *copies]), 0.7)
        # Measured: all of them, in each language and for each share.
        found = {group for group in groups if group[1:] == (group[0] + len(texts),)}
        assert len(found) >= 0.97 * len(texts)
        assert len(groups) == len(found)


@pytest.mark.data
def test_the_estimate_is_unbiased(paragraphs):
    rng = random.Random(0)
    pairs = [
        (text, edited(text, rng.choice((0.005, 0.02, 0.08)), rng))
        for texts in paragraphs.values()
        for text in texts
    ]
    firsts, seconds = zip(*pairs, strict=True)
    estimate = similarity(signatures(firsts), signatures(seconds))
    errors = estimate - [overlap(*pair) for pair in pairs]
    assert abs(errors.mean()) < 0.005  # measured: 0.0005
    assert errors.std() < 0.04  # measured: 0.029


def test_at_the_threshold_most_pairs_are_found_and_below_it_few():
    rng = random.Random(1)
    texts = made_texts(300, seed=2)
    copies = [edited(text, rng.choice((0.01, 0.03, 0.06)), rng) for text in texts]
    true = np.array([overlap(*pair) for pair in zip(texts, copies, strict=True)])
    found = np.zeros(len(texts), bool)
    for group in near_groups(signatures([*texts, *copies]), 0.8):
        assert len(group) == 2
        found[group[0]] = True
    assert found[true > 0.9].mean() > 0.98
    assert found[true < 0.7].mean() < 0.02


@pytest.mark.parametrize("length", [0, 1, 2, 7, 30, 300, 3000])
def test_equal_texts_have_equal_signatures_whatever_stands_beside_them(length):
    rng = random.Random(length)
    text = "".join(rng.choices("abcdefgh日本語গঘ ", k=length))
    others = made_texts(9, seed=length)
    alone = signatures([text])
    assert alone.shape == (1, SIGNATURE_BYTES)
    among = signatures([*others[:4], text, *others[4:], text])
    assert (among[4] == alone).all()
    assert (4, 10) in near_groups(among, 1.0)


def test_case_width_and_spaces_do_not_count():
    folded, loud = signatures(["a red circle，ｶ 1", "A Red\u00a0 CIRCLE, カ１\n"])
    assert (folded == loud).all()


@pytest.mark.parametrize("pair", [("yes", "no"), ("一", "二"), ("A red circle.", "A blue square.")])
def test_short_texts_that_differ_are_not_alike(pair):
    assert similarity(*signatures(pair)) < 0.5


def test_a_group_holds_what_is_like_its_first_and_its_first_is_the_earliest():
    rng = random.Random(3)
    chain = [made_texts(1, seed=4, words=120)[0]]
    for _ in range(6):  # each is like the one before it, the last no more like the first
        chain.append(edited(chain[-1], 0.02, rng))
    signed = signatures(chain)
    assert similarity(signed[0], signed[-1]) < 0.6
    groups = near_groups(signed, 0.75)
    for group in groups:
        assert list(group) == sorted(group)
        assert (similarity(signed[group[0]], signed[list(group)]) >= 0.75).all()
    assert groups[0][0] == 0
    assert len(groups) >= 2


def test_groups_do_not_depend_on_the_order_of_rows():
    rng = random.Random(5)
    families = [
        [text, *(edited(text, 0.004, rng) for _ in range(4))]
        for text in made_texts(40, seed=6, words=150)
    ]
    signed = signatures([text for family in families for text in family])
    expected = {frozenset(group) for group in near_groups(signed, 0.7)}
    assert expected == {frozenset(range(n * 5, n * 5 + 5)) for n in range(40)}
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(signed))
        groups = near_groups(signed[order], 0.7)
        assert {frozenset(order[list(group)].tolist()) for group in groups} == expected
        assert groups == sorted(groups)


def test_records_of_different_scopes_are_never_grouped():
    text = made_texts(1, seed=7)[0]
    scope = np.array([7, 8, 9, 0, 7], np.uint64)
    assert near_groups(signatures([text] * 5), 0.8, scope) == [(0, 4)]
    assert near_groups(signatures([text] * 5), 0.8) == [(0, 1, 2, 3, 4)]


def test_a_bucket_of_thousands_is_no_matter():
    texts = [text for text in made_texts(20, seed=8) for _ in range(500)]
    groups = near_groups(signatures(texts), 0.8)
    assert [len(group) for group in groups] == [500] * 20


def test_a_monstrous_text_counts_by_its_beginning():
    monster = "".join(made_texts(1, seed=9, words=60_000))
    signed = signatures([monster, f"{monster} and more"])
    assert (signed[0] == signed[1]).all()


@pytest.mark.parametrize("threshold", [0.49, 1.01])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(ValueError, match=r"from 0\.5 to 1"):
        near_groups(signatures(["a"]), threshold)


def test_without_like_texts_there_is_no_group():
    assert near_groups(signatures(made_texts(2, seed=10)), 0.8) == []
    assert signatures([]).shape == (0, SIGNATURE_BYTES)
    assert near_groups(signatures([]), 0.8) == []
