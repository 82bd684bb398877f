import pytest

from palo import storage
from palo.errors import DataError, StorageError
from palo.evaluate.result_cache import ResultCache


def test_results_are_there_after_a_restart(tmp_path):
    path = tmp_path / "new" / "kept.jsonl"
    with ResultCache(path) as results:
        results.add("a", {"text": "سلام"})
        results.add("b", {"text": "x\u2028y"})
        results.add("a", {"text": "later"})
    assert ResultCache(path).known == {"a": {"text": "later"}, "b": {"text": "x\u2028y"}}


def test_a_half_written_line_is_written_anew(tmp_path):
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b'{"key": "a", "n": 1}\n{"key": "b", "n"')
    with ResultCache(path) as results:
        assert results.known == {"a": {"n": 1}}
        results.add("b", {"n": 2})
    assert ResultCache(path).known == {"a": {"n": 1}, "b": {"n": 2}}


@pytest.mark.parametrize("line", ["[]", "nonsense", '{"n": 1}', '"text"'])
def test_a_damaged_line_is_told(tmp_path, line):
    path = tmp_path / "kept.jsonl"
    path.write_text(f'{{"key":"a"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"byte 12 of .* begins no"):
        ResultCache(path)


def test_s3_can_not_be_appended_to():
    with pytest.raises(StorageError, match="kept line by line on S3"):
        ResultCache(storage.path_of("s3://bucket/kept.jsonl"))
