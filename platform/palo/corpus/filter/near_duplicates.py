"""Near duplicates: MinHash signatures of texts, and bands that find similar ones.

A text is the set of its shingles: short runs of characters, with case, white space and
compatibility forms folded away. Three characters where each is a syllable or a word, five
elsewhere: so that an edit costs a Chinese text about as much as its translation. Words would not
do, since not every language puts spaces between them.

Two records can only be near duplicates within one scope: the same language, and the same image or
both without one. The same words about another image are another lesson.

Source: Dahlgaard, Knudsen, Thorup: Fast Similarity Sketching (2017). Each shingle is hashed once to
one of the signature's positions; only positions that are still empty are hashed for again. A short
text needs several rounds, and has as good an estimate as with one hash function a position.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

SIGNATURE_BYTES = 128
"""One byte of a minimum for each position: 269 MB for 2.1 million records."""

_Bytes = npt.NDArray[np.uint8]
_Hashes = npt.NDArray[np.uint64]
_Rows = npt.NDArray[np.int64]

_POSITION_BITS = 7
_CHARACTERS = 1 << 15  # of the texts that are hashed at once: they stay in the processor's cache
_MOST_CHARACTERS = 1 << 18  # of one text, so that a monstrous one takes no gigabytes
_BASIC_PLANE = 1 << 16
_MARK, _PAD = "\1", "\0" * 4
_FIRST_DENSE = 0x2E80  # CJK, kana and Hangul begin here
_ROUNDS = 24
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)

_WANTED_RECALL = 0.98
_MOST_LEADERS = 32
_ROWS_AT_ONCE = 1 << 15


def signatures(texts: Sequence[str]) -> _Bytes:
    """Computes the signatures of texts; equal shares of their bytes mean alike texts.

    Args:
        texts: All that a record says, one text a record.

    Returns:
        (texts, SIGNATURE_BYTES) uint8; the same text gives the same row anywhere.
    """
    rows = np.empty((len(texts), SIGNATURE_BYTES), np.uint8)
    for start, end in _chunks(texts):
        chunk = [text[:_MOST_CHARACTERS] for text in texts[start:end]]
        rows[start:end] = _sketch(*_shingles(chunk), end - start)
    return rows


def similarity(first: _Bytes, second: _Bytes) -> npt.NDArray[np.float64]:
    """Estimates what share of all their shingles pairs of texts have in common.

    Args:
        first: (..., SIGNATURE_BYTES) uint8.
        second: The same.

    Returns:
        (...) from 0 to 1; the standard error is at most 4.4 %.
    """
    equal = (first == second).mean(axis=-1)
    chance = 1 / 256
    return np.asarray(np.maximum(equal - chance, 0) / (1 - chance))


def near_groups(
    signed: _Bytes, threshold: float, scope: _Hashes | None = None
) -> list[tuple[int, ...]]:
    """Groups records that say nearly the same.

    The first record of a group is its earliest, and each other one is like that first one: nothing
    is called a duplicate for being like a duplicate. Beside the signatures this takes some 60
    bytes a record.

    Args:
        signed: (records, SIGNATURE_BYTES) from `signatures`, in the order in which they count.
        threshold: Least similarity, from 0.5 to 1.
        scope: (records,) uint64 that is equal for records of the same language and image; those
            of different scopes are never grouped.

    Returns:
        The rows of each group of two or more, ascending; groups by their first row.

    Raises:
        ValueError: If the threshold is out of range.
    """
    if not 0.5 <= threshold <= 1:
        raise ValueError(f"threshold must be from 0.5 to 1, not {threshold}")
    if len(signed) < 2:
        return []
    if scope is None:
        scope = np.zeros(len(signed), np.uint64)
    none = np.zeros((0, 2), np.int64)
    pairs = np.concatenate([none, *_pairs(signed, threshold, scope)])
    groups: dict[int, list[int]] = {}
    first_of: dict[int, int] = {}
    for later, earlier in np.unique(pairs, axis=0).tolist():
        first = first_of.get(earlier, earlier)
        if later in first_of:
            continue
        if first == earlier or _alike(signed, first, later, threshold):
            first_of[later] = first
            groups.setdefault(first, [first]).append(later)
    return [tuple(rows) for _, rows in sorted(groups.items())]


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yields ranges of texts of bounded size together."""
    start = size = 0
    for number, text in enumerate(texts):
        size += len(text)
        if size >= _CHARACTERS or number == len(texts) - 1:
            yield start, number + 1
            start, size = number + 1, 0


@cache
def _fold_table() -> npt.NDArray[np.uint32]:
    """Returns what each character of the basic plane counts as; white space counts as a space."""
    table = np.arange(_BASIC_PLANE, dtype=np.uint32)
    for code in range(_BASIC_PLANE):
        character = unicodedata.normalize("NFKC", chr(code).casefold())
        if len(character) == 1:
            table[code] = ord(" ") if character.isspace() else ord(character)
    return table


def _shingles(texts: Sequence[str]) -> tuple[_Hashes, _Rows]:
    """Returns the shingle that begins at each character as a number, and its text's number.

    A mark before each text gives every one a shingle; the empty characters behind it keep its last
    shingles, and the only ones of a short text, within it.
    """
    joined = "".join(f"{_MARK}{text}{_PAD}" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1 + len(_PAD)
    owners = np.repeat(np.arange(len(texts)), lengths)
    folded = _fold_table()[np.minimum(codes, _BASIC_PLANE - 1)]
    folded = np.where(codes < _BASIC_PLANE, folded, codes)
    kept = folded != ord(" ")
    characters, owners = folded[kept].astype(np.uint64), owners[kept][: -len(_PAD)]
    three = (characters[:-2] * _ODD + characters[1:-1]) * _ODD + characters[2:]
    five = (three[:-2] * _ODD + characters[3:-1]) * _ODD + characters[4:]
    first = characters[: -len(_PAD)]
    hashes = np.where(first >= _FIRST_DENSE, three[:-2], five)
    begins = first > 0
    return hashes[begins], owners[begins]


def _mixed(values: _Hashes) -> _Hashes:
    """Spreads each bit of a number over all of them."""
    values = (values ^ (values >> _HALF)) * _MIX
    values = (values ^ (values >> _HALF)) * _MIX
    return values ^ (values >> _HALF)


def _salt(number: int) -> np.uint64:
    return np.uint64((number + 1) * int(_ODD) & int(_EMPTY))


def _sketch(hashes: _Hashes, owners: _Rows, num_texts: int) -> _Bytes:
    least = np.full(num_texts * SIGNATURE_BYTES, _EMPTY)
    for number in range(_ROUNDS):
        drawn = _mixed(hashes + _salt(number))
        positions = owners * SIGNATURE_BYTES + (drawn >> np.uint64(64 - _POSITION_BITS)).astype(
            np.int64
        )
        if number:
            free = least[positions] == _EMPTY
            drawn, positions = drawn[free], positions[free]
        np.minimum.at(least, positions, drawn)
        open_texts = (least.reshape(num_texts, -1) == _EMPTY).any(axis=1)
        wanted = open_texts[owners]
        hashes, owners = hashes[wanted], owners[wanted]
        if not len(hashes):
            break
    return _filled(least.reshape(num_texts, -1), hashes, owners).astype(np.uint8)


def _filled(least: _Hashes, hashes: _Hashes, owners: _Rows) -> _Hashes:
    """Fills the positions that stay empty after the rounds: texts of a few characters."""
    rows = np.unique(owners)
    if not len(rows):
        return least
    starts = np.searchsorted(owners, rows)
    for position in range(SIGNATURE_BYTES):
        drawn = _mixed(hashes + _salt(_ROUNDS + position))
        lowest = np.minimum.reduceat(drawn, starts)
        empty = least[rows, position] == _EMPTY
        least[rows[empty], position] = lowest[empty]
    return least


def _pairs(signed: _Bytes, threshold: float, scope: _Hashes) -> Iterator[_Rows]:
    """Yields (pairs, 2) rows that are alike, later and earlier, of each band in turn."""
    width = _band_width(threshold)
    for start in range(0, SIGNATURE_BYTES - width + 1, width):
        words = np.zeros((len(signed), -(-width // 8) * 8), np.uint8)
        words[:, :width] = signed[:, start : start + width]
        keys = scope
        for column in words.view(np.uint64).T:
            keys = _mixed(keys ^ column)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        same = ordered[1:] == ordered[:-1]
        member = np.append(same, False)
        member[1:] |= same
        yield from _alike_in_buckets(signed, threshold, order[member], ordered[member])


def _band_width(threshold: float) -> int:
    """Returns the widest band that lets hardly any pair at the threshold slip."""
    for width in range(16, 1, -1):
        if 1 - (1 - threshold**width) ** (SIGNATURE_BYTES // width) >= _WANTED_RECALL:
            return width
    return 1


def _alike_in_buckets(
    signed: _Bytes, threshold: float, rows: _Rows, keys: _Hashes
) -> Iterator[_Rows]:
    """Compares the rows of each bucket with its first, those left with the next, and so on.

    Linear in the size of a bucket, where all pairs of a large one would be without end.
    """
    for _ in range(_MOST_LEADERS):
        if not len(rows):
            return
        starts = np.ones(len(keys), bool)
        starts[1:] = keys[1:] != keys[:-1]
        leaders = rows[starts][np.cumsum(starts) - 1][~starts]
        rows, keys = rows[~starts], keys[~starts]
        alike = np.zeros(len(rows), bool)
        for part in range(0, len(rows), _ROWS_AT_ONCE):
            own = slice(part, part + _ROWS_AT_ONCE)
            alike[own] = similarity(signed[rows[own]], signed[leaders[own]]) >= threshold
        yield np.stack([rows[alike], leaders[alike]], axis=1)
        rows, keys = rows[~alike], keys[~alike]


def _alike(signed: _Bytes, first: int, second: int, threshold: float) -> bool:
    return bool(similarity(signed[first], signed[second]) >= threshold)
