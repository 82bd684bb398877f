"""Rows that are made to stop a build, to take hours, or to fill a disk."""

import contextlib
import json

import orjson
import pytest
from tests.abuse.linear_time import assert_linear_in_bytes

from palo import storage
from palo.corpus.config import AS_IT_IS
from palo.corpus.parse.worker import ParseTask, parse_row, parse_split
from palo.corpus.quarantine import SourceFile
from palo.corpus.sources import RawRow, read_split, split_source
from palo.corpus.sources import rows as byte_limits
from palo.data.records import Origin, Record, Rejected
from palo.data.turns import MAX_CHARACTERS, MAX_TURN_CHARACTERS, MAX_TURNS
from palo.errors import DataError
from palo.reasons import Reason

ORIGIN = Origin(source="s", language="en", image_folder="images", languages=("en",))


def turn(text, speaker="human"):
    return {"from": speaker, "value": text}


def row_of(*texts, **more):
    speakers = ("human", "gpt")
    turns = [turn(text, speakers[n % 2]) for n, text in enumerate(texts)]
    return {"id": "1", "conversations": turns} | more


def parsed(row):
    data = row if isinstance(row, bytes) else orjson.dumps(row)
    return parse_row(RawRow(0, data), ORIGIN, 0)


def nested(depth, inner=b"1"):
    return b"[" * depth + inner + b"]" * depth


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (row_of("q", "a" * (MAX_TURN_CHARACTERS + 1)), Reason.TURN_TOO_LONG),
        (row_of("आ" * (MAX_TURN_CHARACTERS + 1), "a"), Reason.TURN_TOO_LONG),
        (row_of(*["a" * MAX_TURN_CHARACTERS] * 6), Reason.TOO_LONG),
        (row_of(*["a"] * (MAX_TURNS + 2)), Reason.TOO_LONG),
        (row_of("q", "a", gates={"g": "a" * 100_000}), Reason.WRONG_PROVENANCE),
        (row_of("q", "a", gates={str(n): "a" for n in range(1000)}), Reason.WRONG_PROVENANCE),
        (row_of("q", "a", translator="a" * 100_000), Reason.WRONG_PROVENANCE),
        (row_of("<image>\nq", "a", image="a/" * 5000), Reason.WRONG_IMAGE_FIELD),
        (row_of("<image>\nq", "a", image="a\0b"), Reason.WRONG_IMAGE_FIELD),
    ],
)
def test_what_is_too_long_has_a_reason(row, reason):
    found = parsed(row)
    assert isinstance(found, Rejected)
    assert found.reason == reason
    assert len(found.detail) <= 200


def test_the_longest_turn_and_conversation_are_records():
    assert isinstance(parsed(row_of("q", "a" * MAX_TURN_CHARACTERS)), Record)
    longest = ["a" * MAX_TURN_CHARACTERS] * (MAX_CHARACTERS // MAX_TURN_CHARACTERS)
    assert isinstance(parsed(row_of(*longest)), Record)


@pytest.mark.parametrize("depth", [100, 900, 985, 1000, 1020, 5000, 100_000])
@pytest.mark.parametrize("field", ["id", "image", "gates", "language", "conversations", "messages"])
def test_deep_nesting_costs_its_row_alone(depth, field):
    """The fast decoder goes deeper than Python can write out what was seen."""
    values = {"id": b'"1"', "conversations": orjson.dumps(row_of("q", "a")["conversations"])}
    values[field] = nested(depth)
    data = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), v) for name, v in values.items())
    for value in (None, _decoded(data)):
        assert isinstance(parse_row(RawRow(0, data, value=value), ORIGIN, 0), Record | Rejected)


def _decoded(data):
    try:
        return orjson.loads(data)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"id": 1' + b"0" * 400 + b"}", Reason.NO_TURNS),
        (b'{"id": 1' + b"0" * 5000 + b"}", Reason.NOT_JSON),
        (b'{"id": 1e400}', Reason.NO_TURNS),
        (b'{"id": NaN}', Reason.NO_TURNS),
        (b'{"id": "\\ud800"}', Reason.NO_TURNS),
        (b'{"a": 1, "a": 2}', Reason.NO_TURNS),
        (b"\0" * 100, Reason.NOT_JSON),
        (b'{"id": "\xff"}', Reason.NOT_UTF8),
        (b"[" * 200_000, Reason.NOT_JSON),
    ],
)
def test_odd_values_have_a_reason(data, reason):
    assert parsed(data).reason == reason


def test_half_a_surrogate_pair_and_zeros_in_a_turn():
    found = parsed(b'{"conversations": [{"from": "human", "value": "\\udc80"}]}')
    assert found.reason == Reason.NOT_TEXT
    assert isinstance(parsed(row_of("q\0", "a\0")), Record)


def test_a_row_that_is_far_too_long_is_not_kept_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(orjson.dumps(row_of("q", "a" * (1 << 20))) + b"\n")
    (split,) = split_source(path)
    source = SourceFile(name="s", path=path)
    task = ParseTask(
        corpus=tmp_path, source=source, split=split, origin=ORIGIN, cleaning=AS_IT_IS, known=()
    )
    work = parse_split(task)
    assert work.result.parse_drops == {Reason.TURN_TOO_LONG: {"en": 1}}
    (name,) = work.files
    (text,) = storage.read_table(tmp_path / name, columns=["text"]).column(0).to_pylist()
    assert len(text) == byte_limits.KEPT_BYTES


def _names(size):
    first = [b'{"%c":1,"conversations":[]}' % letter for letter in b"abcdefghi"]
    return b",".join([*first, *[b'{"zzz":1}'] * (size // 10)])


ARRAYS = {
    "rows that begin with a field of their own": _names,
    "rows without a row behind them": lambda size: b'{"id":1},' + b'{"zz":[]},' * (size // 10)
    + b'{"id":2}',
    "other values": lambda size: b'{"id":1}' + b",[1]" * (size // 4),
    "boundaries within a text": lambda size: b'{"id":"' + b'},{\\"a\\":' * (size // 9) + b'"}',
    "nested rows": lambda size: b'{"id":[' + b'{"a":1},' * (size // 8) + b"1]}",
    "blanks": lambda size: b'{"id":1},' + b" " * size + b'{"id":2}',
    "braces and blanks": lambda size: b'{"id":1},' + (b"}" + b" " * 99) * (size // 100),
    "unclosed": lambda size: b'{"id":1}' + b',{"id":[' * (size // 8),
    "backslashes": lambda size: b'{"id":"' + b"\\\\" * (size // 2) + b'"}',
    "strings": lambda size: b'{"id":1}' + b',""' * (size // 3),
}  # fmt: skip


def _read_array(path, split_bytes):
    for split in split_source(path, "json", split_bytes):
        with contextlib.suppress(DataError):  # what is wrong with the array isn't asked
            for row in read_split(split):
                parse_row(row, ORIGIN, 0)


@pytest.mark.parametrize("splits_each", [1, 4])
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_are_read_in_linear_time(tmp_path, kind, splits_each):
    path = tmp_path / "a.json"

    def prepare(size):
        data = b"[" + ARRAYS[kind](size) + b"]"
        path.write_bytes(data)
        return lambda: _read_array(path, len(data) // splits_each + 1)

    assert_linear_in_bytes(prepare)


def test_lines_of_all_sorts_end_as_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [b'{"a":1}', b"[" * 100_000, b'{"a":' * 50_000, b"\0", b"\xff", b"nul", b"{}" * 9]
    path.write_bytes(b"\n".join(lines))
    rows = [parse_row(row, ORIGIN, 0) for split in split_source(path) for row in read_split(split)]
    assert len(rows) == len(lines)
    assert all(isinstance(row, Rejected) for row in rows)
    assert json.dumps([row.detail for row in rows])
