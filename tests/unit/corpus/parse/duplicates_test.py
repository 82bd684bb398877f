import numpy as np

from palo.corpus.parse.duplicates import DIGEST_BYTES, digest_of, later_and_first
from palo.text.messages import Turn


def turns(question="Is it?", answer="yes", num_images=0):
    return (Turn("user", question, num_images), Turn("assistant", answer))


def test_a_digest_tells_language_and_turns():
    texts = [
        ("en", turns()),
        ("fr", turns()),
        ("en", turns(answer="no")),
        ("en", turns(question="Is it? ")),
        ("en", turns(num_images=1)),
        ("en", (*turns(), *turns())),
        ("en", turns(question="Is it?y", answer="es")),
    ]
    digests = [digest_of(*text) for text in texts]
    assert len(set(digests)) == len(texts)
    assert {len(digest) for digest in digests} == {DIGEST_BYTES}
    assert digest_of("en", turns()) == digests[0]


def test_the_first_stays():
    digests = np.array([[1, 1], [2, 2], [1, 1], [1, 2], [2, 2], [1, 1]], np.uint64)
    every = np.arange(6)
    assert later_and_first(digests, every).tolist() == [[2, 0], [4, 1], [5, 0]]
    assert later_and_first(digests, np.array([1, 2, 4, 5])).tolist() == [[4, 1], [5, 2]]
    assert later_and_first(digests, every[:0]).tolist() == []


def test_rows_are_told_from_random_ones_as_a_dictionary_would():
    digests = np.random.default_rng(0).integers(0, 30, (500, 2)).astype(np.uint64)
    first: dict[tuple[int, ...], int] = {}
    expected = []
    for row, digest in enumerate(map(tuple, digests.tolist())):
        if first.setdefault(digest, row) != row:
            expected.append([row, first[digest]])
    assert later_and_first(digests, np.arange(500)).tolist() == expected
