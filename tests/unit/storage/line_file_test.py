import pytest

from palo import storage
from palo.errors import DataError, StorageError
from palo.storage import LineFile


def test_lines_are_found_again_by_their_place(tmp_path):
    path = tmp_path / "a.jsonl"
    long = "ابت" * 20_000
    with LineFile(path) as file:
        assert list(file.rows()) == []
        places = [file.append({"n": 1}), file.append({"text": long}), file.append({"n": 3})]
        assert file.read(places[1]) == {"text": long}
    with LineFile(path) as file:
        assert list(file.rows()) == list(
            zip(places, [{"n": 1}, {"text": long}, {"n": 3}], strict=True)
        )
        last = file.append({"n": 4})
        assert file.read(last) == {"n": 4}
        assert file.read(places[0]) == {"n": 1}


def test_a_line_that_was_cut_off_is_written_anew(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2, "te')
    with LineFile(path) as file:
        assert [values for _, values in file.rows()] == [{"n": 1}]
        file.append({"n": 2})
    assert path.read_bytes() == b'{"n": 1}\n{"n":2}\n'


@pytest.mark.parametrize("line", [b"no json\n", b"[1]\n", b"\xff\n"])
def test_a_line_that_somebody_changed_is_told(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 1}\n' + line)
    with LineFile(path) as file, pytest.raises(DataError, match="byte 9 of"):
        list(file.rows())


def test_half_a_surrogate_pair_loses_no_line(tmp_path):
    with LineFile(tmp_path / "a.jsonl") as file:
        place = file.append({"text": "سلام \ud83d"})
        assert file.read(place) == {"text": "سلام ?"}


def test_a_line_is_there_before_the_file_is_closed(tmp_path):
    path = tmp_path / "a.jsonl"
    with LineFile(path) as file:
        file.append({"n": 1})
        assert path.read_bytes() == b'{"n":1}\n'


def test_nothing_can_be_appended_on_s3():
    with pytest.raises(StorageError, match="line by line on S3"):
        LineFile(storage.path_of("s3://bucket/a.jsonl"))
