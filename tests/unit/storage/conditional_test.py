from concurrent.futures import ThreadPoolExecutor

import pytest

from palo.errors import StorageError
from palo.storage.conditional import read_versioned, write_if


def test_only_what_nobody_else_wrote_is_written(bucket):
    path = bucket / "x"
    assert read_versioned(path) is None
    assert write_if(path, b"1", None)
    assert not write_if(path, b"2", None)
    first = read_versioned(path)
    assert first is not None
    assert first.data == b"1"
    assert write_if(path, b"2", first.version)
    assert not write_if(path, b"3", first.version)
    assert path.read_bytes() == b"2"
    path.unlink()
    assert not write_if(path, b"3", first.version)
    assert read_versioned(path) is None


def test_a_request_that_was_repeated_counts_as_written(bucket):
    path = bucket / "x"
    assert write_if(path, b"mine", None)
    assert write_if(path, b"mine", None)


def test_no_addition_of_many_writers_is_lost(bucket):
    path = bucket / "numbers"

    def add(number):
        while True:
            found = read_versioned(path)
            before = b"" if found is None else found.data
            if write_if(path, before + b"%d\n" % number, found and found.version):
                return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(16)))
    assert sorted(map(int, path.read_bytes().split())) == list(range(16))


def test_another_refusal_is_an_error(bucket):
    missing = bucket.parent / "x"
    with pytest.raises(StorageError, match="no such bucket"):
        write_if(type(bucket)(str(missing).replace(bucket.place.bucket, "no-bucket")), b"1", None)
