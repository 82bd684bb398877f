"""Storage against a real Ceph RADOS Gateway, which knows nothing of boto3's newer checksums."""

import hashlib

import pyarrow as pa
import pytest
from tests.fixtures.s3 import make_bucket

from palo import storage
from palo.errors import StorageError
from palo.storage import S3Path

pytestmark = [pytest.mark.ceph, pytest.mark.usefixtures("s3_environment")]


@pytest.fixture
def bucket(ceph_address: str, s3_environment: None) -> S3Path:
    return make_bucket(ceph_address)


@pytest.mark.timeout(300)
def test_what_is_written_comes_back(bucket: S3Path) -> None:
    storage.ensure_folder(bucket / "new")
    path = bucket / "folder" / "ein Bild?.bin"
    path.write_bytes(b"0123456789")
    assert path.stat().st_size == 10
    assert storage.read_range(path, 8, 10) == b"89"
    assert storage.read_range(path, 10, 1) == b""
    assert storage.file_sizes(path.parent) == {path.name: 10}
    table = pa.table({"size": list(range(1000))})
    storage.write_table(bucket / "a.parquet", table, rows_per_group=100)
    assert storage.read_table(bucket / "a.parquet").equals(table)
    with storage.open_parquet(bucket / "a.parquet") as file:
        assert file.read_row_group(3).column("size").to_pylist() == list(range(300, 400))
    assert [p.name for p in bucket.rglob("*")] == ["a.parquet", "ein Bild?.bin"]
    storage.remove(bucket / "folder")
    storage.remove(bucket / "a.parquet")
    assert list(bucket.rglob("*")) == []
    with pytest.raises(FileNotFoundError):
        path.read_bytes()


def test_a_large_file_goes_in_parts(bucket: S3Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palo.storage.s3_upload.PART_BYTES", 5 << 20)
    content = bytes(range(256)) * (12 << 12)
    with storage.replacing(bucket / "a.bin") as partial:
        partial.write_bytes(content)
    assert storage.file_hash(bucket / "a.bin") == hashlib.sha256(content).hexdigest()


def test_its_refusals_are_told(bucket: S3Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = S3Path(str(bucket).replace("bucket-", "gone-"))
    for use in (S3Path.read_bytes, S3Path.stat, storage.remove, storage.ensure_folder):
        with pytest.raises(StorageError, match="no such bucket: gone-"):
            use(gone / "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for use in (S3Path.read_bytes, S3Path.stat, storage.remove, storage.ensure_folder):
        with pytest.raises(StorageError, match=r"may not .*Check the credentials"):
            use(bucket / "a")
