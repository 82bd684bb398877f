"""Parquet files that are made to take gigabytes, hours, or the build down."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fixtures.confined import run_confined

from palo import storage
from palo.corpus.images_step.image_files import ImageRows
from palo.corpus.sources import parquet, read_split, split_source
from palo.errors import DataError, ImageError, StorageError
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason, SourceFault

MB = 1 << 20
TURN = pa.struct([("from", pa.string()), ("value", pa.string())])


def turns(*texts):
    return [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


def write(path, rows, **options):
    table = pa.table({"conversations": pa.array(rows, pa.list_(TURN))})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=1 << 30, **options)
    return path


def naming(values, places):
    """Returns an array that names each value by its place, so that it need not be written out."""
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(values))


def write_named(path, columns):
    table = pa.table(columns)
    pq.write_table(
        table, path, compression="zstd", dictionary_pagesize_limit=1 << 30, store_schema=False
    )
    return path


def conversations_of(text, num_rows, num_turns):
    number = num_rows * num_turns
    speakers = naming(["human", "gpt"], [n % 2 for n in range(number)])
    row = pa.StructArray.from_arrays([speakers, naming([text], [0] * number)], ["from", "value"])
    return pa.ListArray.from_arrays(list(range(0, number + 1, num_turns)), row)


def rows_of(path):
    return [row for split in split_source(path) for row in read_split(split)]


_READ = """
    import json
    from pathlib import Path
    from palo.corpus.sources import read_split, split_source
    from palo.errors import PaloError
    found = []
    try:
        for split in split_source(Path(sys.argv[1])):
            for row in read_split(split):
                found.append(row.reason and str(row.reason))
    except PaloError as error:
        found.append(str(error.fact))
    print(json.dumps([found, grown() >> 20]))
"""


def read_apart(path):
    """Returns what became of the rows, and by how many MiB memory has grown."""
    ended = run_confined(_READ, path, max_bytes=3 << 30)
    assert ended.code == 0, ended.errors[-2000:]
    return json.loads(ended.output)


def test_a_long_value_that_many_rows_share_is_not_written_out_for_each(tmp_path):
    conversations = conversations_of("a" * 40 * MB, num_rows=64, num_turns=2)
    path = write_named(tmp_path / "a.parquet", {"conversations": conversations})
    assert path.stat().st_size < 4096
    found, grown = read_apart(path)
    assert found[-1] == SourceFault.UNPACKS
    assert grown < 700


def test_a_row_that_names_a_long_value_many_times_is_too_large(tmp_path):
    conversations = conversations_of("a" * 4 * MB, num_rows=1, num_turns=100)
    path = write_named(tmp_path / "a.parquet", {"conversations": conversations})
    found, grown = read_apart(path)
    assert found == [Reason.TOO_LARGE]
    assert grown < 500


def test_an_outlier_in_a_dictionary_is_read_as_any_other_value(tmp_path):
    rows = [turns("q" * 1000, "a") for _ in range(400)] + [turns("q", "b" * MB)]
    path = write(tmp_path / "a.parquet", rows)
    with storage.open_parquet(path) as file:
        assert parquet.needs_dictionary(path, file, 0, storage.leaves_of(file))
    assert [row.value["conversations"] for row in rows_of(path)] == rows


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
def test_pages_that_unpack_to_too_much_are_not_unpacked(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(parquet, "_SURELY_FINE_BYTES", 8 * MB)
    path = write(
        tmp_path / "a.parquet", [turns("q", "a" * MB) for _ in range(12)], use_dictionary=False,
        column_encoding={"conversations.list.element.value": encoding},
    )  # fmt: skip
    with pytest.raises(DataError, match=SourceFault.UNPACKS):
        rows_of(path)


def test_the_footer_is_not_believed(tmp_path, monkeypatch):
    """What counts is what the pages say: the same number stands in footer and page header."""
    monkeypatch.setattr(parquet, "_SURELY_FINE_BYTES", 8 * MB)
    path = write(tmp_path / "a.parquet", [turns("q", "a" * 12 * MB)], use_dictionary=False)
    data = path.read_bytes()
    with storage.open_parquet(path) as file:
        claimed = file.metadata.row_group(0).column(1).total_uncompressed_size
    at = data.rindex(_varint(2 * claimed))
    path.write_bytes(data[:at] + _varint(2 * 1_000_000).ljust(4, b"\x80")[:4] + data[at + 4 :])
    with pytest.raises((DataError, StorageError)):
        rows_of(path)


def _varint(number):
    digits = []
    while number:
        digits.append(number & 0x7F | (0x80 if number >> 7 else 0))
        number >>= 7
    return bytes(digits)


def test_more_rows_than_bytes_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"conversations": pa.nulls(3_000_000, pa.list_(TURN))}), path)
    with pytest.raises(DataError, match=f"{SourceFault.UNPACKS}: .*3,000,000 rows"):
        split_source(path)


def test_more_values_than_bytes_are_refused(tmp_path):
    conversations = conversations_of("a", num_rows=1, num_turns=2_000_000)
    write_named(tmp_path / "a.parquet", {"conversations": conversations})
    with pytest.raises(DataError, match=f"{SourceFault.UNPACKS}: .*2,000,000 values"):
        rows_of(tmp_path / "a.parquet")


def test_a_huge_footer_is_not_parsed(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    size = 65 * MB
    path.write_bytes(b"PAR1" + bytes(size) + size.to_bytes(4, "little") + b"PAR1")
    with pytest.raises(StorageError, match="a footer of"):
        storage.open_parquet(path)


@pytest.mark.parametrize("depth", [99, 10_000])
def test_a_deep_schema_is_refused(tmp_path, depth):
    kind = pa.string()
    if depth < 100:
        for _ in range(depth):
            kind = pa.struct([("a", kind)])
        pq.write_table(pa.table({"conversations": pa.nulls(1, kind)}), tmp_path / "a.parquet")
    else:
        (tmp_path / "a.parquet").write_bytes(_deep(depth))
    with pytest.raises(StorageError, match="deeply nested"):
        storage.open_parquet(tmp_path / "a.parquet")


def _deep(depth):
    """Returns an empty file whose schema is a group in a group, and so on; in Thrift."""
    group = b"\x35\x02\x18\x01a\x15\x02\x00"
    leaf = b"\x15\x0c\x25\x02\x18\x01v\x00"
    schema = group * depth + leaf
    footer = b"\x15\x04\x19\xfc" + _varint(depth + 1) + schema + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_rows_behind_an_empty_row_group_are_read(tmp_path):
    kind = pa.schema([("conversations", pa.list_(TURN))])
    with pq.ParquetWriter(tmp_path / "a.parquet", kind) as writer:
        for rows in ([], [turns("q", "a")], [], [turns("q", "b")]):
            writer.write_table(pa.table({"conversations": pa.array(rows, kind[0].type)}))
    assert [row.value["conversations"][1]["value"] for row in rows_of(tmp_path / "a.parquet")] == [
        "a",
        "b",
    ]


def test_values_that_python_can_not_hold_cost_their_row_alone(tmp_path):
    when = pa.array([1 << 62, 0], pa.timestamp("us"))
    conversations = pa.array([turns("q", "a")] * 2, pa.list_(TURN))
    pq.write_table(pa.table({"id": when, "conversations": conversations}), tmp_path / "a.parquet")
    assert [row.reason for row in rows_of(tmp_path / "a.parquet")] == [Reason.NOT_A_RECORD, None]


def test_fields_of_one_name_cost_their_rows_alone(tmp_path):
    text = pa.array(["a", "b"])
    turn = pa.StructArray.from_arrays([text, text], ["value", "value"])
    table = pa.table({"conversations": pa.ListArray.from_arrays([0, 1, 2], turn)})
    pq.write_table(table, tmp_path / "a.parquet")
    try:
        rows = rows_of(tmp_path / "a.parquet")
    except StorageError:  # told by the columns' names
        return
    assert {row.reason for row in rows} == {Reason.NOT_A_RECORD}


def test_a_struct_of_lists_may_lack_one(tmp_path):
    kind = pa.struct([("from", pa.list_(pa.string())), ("value", pa.list_(pa.string()))])
    rows = pa.array([{"from": None, "value": ["a"]}], kind)
    pq.write_table(pa.table({"conversations": rows}), tmp_path / "a.parquet")
    (row,) = rows_of(tmp_path / "a.parquet")
    assert row.value == {"conversations": []}


def test_an_image_that_many_rows_share_is_read_once(tmp_path):
    image = pa.StructArray.from_arrays([naming([bytes(20 * MB)], [0] * 64)], ["bytes"])
    columns = {"image": image, "conversations": conversations_of("a", num_rows=64, num_turns=2)}
    path = write_named(tmp_path / "a.parquet", columns)
    assert path.stat().st_size < 1 << 14
    ended = run_confined(
        """
        from palo.images.preprocessing import ImageLimits
        from palo.corpus.images_step.image_files import ImageRows
        rows = ImageRows(sys.argv[1])
        print(sum(len(rows.read(n, ImageLimits())) for n in range(64)) >> 20, grown() >> 20)
        """,
        path,
        max_bytes=3 << 30,
    )
    size, grown = map(int, ended.output.split())
    assert size == 64 * 20
    assert grown < 200


def test_an_image_of_a_file_that_unpacks_to_too_much_has_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_SURELY_FINE_BYTES", 8 * MB)
    table = pa.table({"image": [bytes(9 * MB)], "conversations": [turns("q", "a")]})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(ImageError, match=Reason.IMAGE_UNREADABLE):
        ImageRows(str(tmp_path / "a.parquet")).read(0, ImageLimits())


def test_tables_of_a_foreign_corpus_are_bounded(tmp_path):
    columns = {"text": naming(["a" * 8 * MB], [0] * 200), "n": list(range(200))}
    path = write_named(tmp_path / "a.parquet", columns)
    with pytest.raises(StorageError, match="unpacks to too much"):
        storage.read_table(path)
    with pytest.raises(StorageError, match="unpacks to too much"):
        storage.read_table(path, filters=[("n", "=", 1)])
    assert storage.read_table(path, columns=["n"]).num_rows == 200


def test_damaged_files_have_a_reason(tmp_path):
    """Each byte of a small file is changed once: it is read, or refused with a reason."""
    path = write(tmp_path / "a.parquet", [turns("question", "answer")] * 3)
    data = path.read_bytes()
    fates = set()
    for place in range(4, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            fates.add(len(rows_of(path)))
        except (DataError, StorageError) as error:
            fates.add(type(error))
    assert fates >= {3, StorageError}
