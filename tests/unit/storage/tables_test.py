"""Parquet files are written whole or not at all, and read only if they are what they should be."""

from pathlib import Path

import pyarrow as pa
import pytest

from palo import storage
from palo.errors import MismatchError, StorageError

SCHEMA = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("size", pa.int32())])


@pytest.fixture
def table() -> pa.Table:
    rows = [{"name": f"row {number}", "size": number} for number in range(1000)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def test_a_table_comes_back_whole_and_in_part(tmp_path: Path, table: pa.Table) -> None:
    path = tmp_path / "new" / "a.parquet"
    storage.write_table(path, table, rows_per_group=100)
    assert storage.read_table(path, schema=SCHEMA).equals(table)
    assert storage.read_table(path, ["size"]).column_names == ["size"]
    found = storage.read_table(path, filters=[("size", ">=", 990)])
    assert found.column("size").to_pylist() == list(range(990, 1000))
    with storage.open_parquet(path, SCHEMA) as file:
        assert file.num_row_groups == 10
    assert [entry.name for entry in path.parent.iterdir()] == ["a.parquet"]


def test_other_columns_are_refused(tmp_path: Path, table: pa.Table) -> None:
    path = tmp_path / "a.parquet"
    storage.write_table(path, table.select(["name"]))
    with pytest.raises(MismatchError, match=r"a\.parquet has other columns .*: name\. Build"):
        storage.read_table(path, schema=SCHEMA)


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_a_file_that_was_cut_off_is_damaged(tmp_path: Path, table: pa.Table, cut: int) -> None:
    path = tmp_path / "a.parquet"
    storage.write_table(path, table)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StorageError, match=r"a\.parquet is damaged: .*Delete it"):
        storage.read_table(path)
    with pytest.raises(StorageError, match=r"a\.parquet is damaged"):
        storage.read_table(path, filters=[("size", ">", 3)])


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"can't read .*absent"):
        storage.read_table(tmp_path / "absent")
    with pytest.raises(StorageError, match=r"can't read .*absent"):
        storage.read_table(tmp_path / "absent", filters=[("size", ">", 3)])
