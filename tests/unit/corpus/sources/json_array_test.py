"""Arrays that are read by many tasks at once, each from a range of bytes."""

import json
import random
from pathlib import Path

import pytest

from palo.corpus.sources import Split, SplitBoundary, json_array, misread, read_split, split_source
from palo.corpus.sources import rows as byte_limits
from palo.corpus.sources.json_scan import read_element
from palo.errors import DataError
from palo.reasons import Reason


def turns(number, rng):
    return [
        {"from": ("human", "gpt")[n % 2], "value": rng.choice(VALUES) * rng.randrange(1, 4)}
        for n in range(number)
    ]


VALUES = [
    'f({"a": 1}, {"b": [2]}); ',
    '\\"}, {\\"conversations\\": [] ',
    "}, {",
    "কি \u2028 é",
    '{"id": 1, "conversations": []}, ',
    "]",
]


def rows(count=60, seed=0):
    rng = random.Random(seed)
    return [
        {"id": n, "image": f"{n}.jpg", "conversations": turns(rng.randrange(7), rng)}
        for n in range(count)
    ]


def read_apart(found):
    """Reads splits one by one, and those again that their neighbours contradict."""
    results = {}
    to_read, rounds = list(found), 0
    while to_read:
        for split in to_read:
            reader = read_split(split)
            results[split.start] = list(reader), reader.boundary
        rounds += 1
        to_read = misread(found, [results[split.start][1] for split in found])
    return [row for split in found for row in results[split.start][0]], rounds


def written(folder, data):
    path = folder / "source.json"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("read_bytes", [700, 1 << 20])
@pytest.mark.parametrize("split_bytes", [100, 333, 1000, 10_000])
def test_splits_hold_every_row_once(
    tmp_path, monkeypatch, indent, ascii_only, read_bytes, split_bytes
):
    monkeypatch.setattr(byte_limits, "READ_BYTES", read_bytes)
    data = json.dumps(rows(), ensure_ascii=ascii_only, indent=indent).encode()
    found = split_source(written(tmp_path, data), split_bytes=split_bytes)
    read, rounds = read_apart(found)
    assert rounds == 1
    assert [row.value for row in read] == rows()
    for row in read:
        assert data[row.offset : row.offset + len(row.data)] == row.data


def test_a_boundary_is_found_wherever_a_split_begins(tmp_path):
    data = json.dumps(rows(12)).encode()
    path = written(tmp_path, data)
    for split_bytes in range(1, len(data), 31):
        read, _ = read_apart(split_source(path, split_bytes=split_bytes)[:])
        assert [row.value for row in read] == rows(12)


ODD = [
    {"id": 1, "history": rows(5), "conversations": []},
    None,
    {},
    {"text": "no conversation"},
    [rows(4), {"conversations": [{"conversations": 1}, {"conversations": 2}]}],
    "}, {",
    {"conversations": 1, "id": "other order"},
    {"id": float("nan"), "conversations": "half \ud83d"},
    {"id": 10**40, "conversations": []},
    *rows(3),
]


@pytest.mark.parametrize("split_bytes", [50, 200, 300, 999, 2500])
def test_rows_that_are_no_records_and_records_within_rows_are_told_apart(tmp_path, split_bytes):
    rng = random.Random(split_bytes)
    values = [rng.choice(ODD) for _ in range(120)]
    path = written(tmp_path, json.dumps(values))
    read, _ = read_apart(split_source(path, split_bytes=split_bytes))
    assert [repr(json.loads(row.data)) for row in read] == [repr(value) for value in values]
    for row in read:
        assert row.value is None or row.value == json.loads(row.data)


def test_broken_rows_don_t_hide_their_neighbours(tmp_path):
    good = [json.dumps(row).encode() for row in rows(30)]
    bad = [b'{"id": "caf\xe9", "conversations": []}', b'{"id": 1 2}', b'{"id": "\0"}', b"{x}"]
    mixed = [line for group in zip(good, bad * 8, strict=False) for line in group]
    path = written(tmp_path, b"[" + b",\n".join(mixed) + b"]")
    for split_bytes in (64, 500, 10**6):
        read, _ = read_apart(split_source(path, split_bytes=split_bytes))
        assert [row.data for row in read] == mixed
        assert [row.value is None for row in read] == [False, True] * 30


@pytest.mark.parametrize("inside", [b"x" * 30_000, b'}, {\\"a' * 4_000])
@pytest.mark.parametrize("split_bytes", [500, 10**6])
def test_a_record_that_is_too_large_is_counted_with_its_place(
    tmp_path, monkeypatch, inside, split_bytes
):
    monkeypatch.setattr(byte_limits, "MAX_RECORD_BYTES", 5000)
    monkeypatch.setattr(byte_limits, "READ_BYTES", 1000)
    monkeypatch.setattr(byte_limits, "KEPT_BYTES", 10)
    good = [json.dumps(row).encode() for row in rows(8)]
    huge = b'{"id": 7, "conversations": [{"value": "' + inside + b'"}, {"conversations": [1]}]}'
    data = b"[" + b", ".join([*good[:4], huge, *good[4:]]) + b"]"
    read, _ = read_apart(split_source(written(tmp_path, data), split_bytes=split_bytes))
    assert [row.data for row in read] == [*good[:4], huge[:9], *good[4:]]
    assert (read[4].offset, read[4].reason) == (data.index(huge), Reason.TOO_LARGE)


@pytest.mark.parametrize("split_bytes", [90, 400, 10**6])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: data[:-30], r"cut off.*record at byte \d+"),
        (lambda data: data[:-1], r"cut off"),
        (lambda data: data + b'\n{"id": 1}', r"more text after.*byte \d+.*jsonl"),
        (lambda data: data + data, r"more text after"),
        (lambda data: data[:-1] + b"}, " + data[1:], r"more text after"),
    ],
)
def test_a_broken_array_is_one_clear_error(tmp_path, change, fault, split_bytes):
    data = change(json.dumps(rows(20)).encode())
    with pytest.raises(DataError, match=fault):
        read_apart(split_source(written(tmp_path, data), split_bytes=split_bytes))


def test_the_fault_of_a_split_tells_the_same_place_as_that_of_the_whole(tmp_path):
    path = written(tmp_path, json.dumps(rows(20))[:-30])
    messages = set()
    for split_bytes in (77, 500, 10**6):
        with pytest.raises(DataError) as caught:
            read_apart(split_source(path, split_bytes=split_bytes))
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_rows_are_cut_without_going_through_their_brackets(tmp_path, monkeypatch):
    slow = []
    monkeypatch.setattr(
        json_array, "read_element", lambda *where: slow.append(where) or read_element(*where)
    )
    (split,) = split_source(written(tmp_path, json.dumps(rows(200), indent=2)))
    assert len(list(read_split(split))) == 200
    assert len(slow) == 2  # the first row, and the last, behind which no other begins


at = SplitBoundary

NOTHING = at(None, None)


def splits(count=5, form="json"):
    return [
        Split(
            path=Path("x"), format=form, start=100 * n, end=100 * n + 100, size_bytes=500,
            modified_ns=0,
        )
        for n in range(count)
    ]  # fmt: skip


FITTING = [
    at(1, 110),
    at(110, 230),
    at(230, 301),
    at(301, 400),
]


def to_read_again(boundaries):
    """Returns by number of the split where it must begin, and whether that is proven."""
    boundaries = [*boundaries, *[NOTHING] * (5 - len(boundaries))]
    return {p.start // 100: (p.first, p.proven) for p in misread(splits(), boundaries)}


def test_splits_that_fit_are_left_alone():
    assert to_read_again([*FITTING, at(400, None)]) == {}
    assert to_read_again([at(1, 450), NOTHING, NOTHING, NOTHING, at(450, None)]) == {}
    assert to_read_again([at(1, None)]) == {}
    lines = splits(form="jsonl")
    assert misread(lines, [NOTHING] * 5) == []


@pytest.mark.parametrize(
    ("boundaries", "wrong"),
    [
        # It missed the first row that it owns, or took something else for it.
        (
            [at(1, 110), at(150, 230), *FITTING[2:], at(400, None)],
            {1: (110, True)},
        ),
        # It found rows within one that reaches over it and its neighbour.
        (
            [at(1, 320), at(150, 250), at(250, 301), at(320, None)],
            {1: (320, True), 2: (320, False)},
        ),
        # It found none: nobody knows yet where the next one begins.
        ([at(1, 110), NOTHING, *FITTING[2:], at(400, None)], {1: (110, True)}),
        # The array seems to end, or ends, before it.
        ([at(1, 110), at(110, None, True)], {1: (110, True)}),
        ([at(1, None), at(150, None)], {1: (500, True)}),
        # Two mistakes: the second split is told what the first made of it.
        (
            [at(1, 110), at(150, 230), at(260, 301), *FITTING[3:]],
            {1: (110, True), 2: (230, False), 4: (400, False)},
        ),
    ],
)  # fmt: skip
def test_a_split_that_began_elsewhere_is_told_where(boundaries, wrong):
    assert to_read_again(boundaries) == wrong


def test_each_file_of_a_source_begins_anew():
    found = splits(2) + splits(2)
    assert (
        misread(
            found,
            [at(1, None), NOTHING, at(1, 110), at(110, None)],
        )
        == []
    )
