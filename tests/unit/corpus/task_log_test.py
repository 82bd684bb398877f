import dataclasses

import pytest

from palo.corpus.task_log import TaskEntry, TaskKey, begin, finish, finished, sweep


@pytest.fixture
def key(tmp_path):
    return TaskKey(corpus=tmp_path, step="parse", name="source/000", inputs="a")


def write(corpus, *names, text="text"):
    for name in names:
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_text(text)
    return names


def test_a_finished_task_is_known_by_its_key(key, tmp_path):
    assert list(finished([key])) == [None]
    files = write(tmp_path, "records/source/0.parquet", "quarantine/parse/source/0.parquet")
    assert finish(key, {"rows": 3}, files) == TaskEntry({"rows": 3}, dict.fromkeys(files, 4))
    other = dataclasses.replace(key, inputs="b")
    further = dataclasses.replace(key, name="source/001")
    entries = list(finished([other, key, further]))
    assert entries == [None, ({"rows": 3}, dict.fromkeys(files, 4)), None]


@pytest.mark.parametrize("damage", ["gone", "cut", "entry"])
def test_what_is_not_whole_is_not_finished(key, tmp_path, damage):
    (file,) = write(tmp_path, "records/source/0.parquet")
    finish(key, {}, [file])
    match damage:
        case "gone":
            (tmp_path / file).unlink()
        case "cut":
            (tmp_path / file).write_text("t")
        case "entry":
            key.path.write_text("{")
    assert list(finished([key])) == [None]


def test_a_task_that_begins_again_is_not_finished(key, tmp_path):
    begin(key)
    finish(key, {}, write(tmp_path, "records/source/0.parquet"))
    begin(key)
    assert list(finished([key])) == [None]


def test_what_belongs_to_no_task_is_swept(key, tmp_path):
    (kept,) = write(tmp_path, "records/source/0.parquet")
    finish(key, {}, [kept])
    write(
        tmp_path,
        "records/gone/0.parquet",
        "records/source/.0.parquet.12-34.partial",
        "samples/gone/0.parquet",
        "done/parse/gone/0.json",
    )
    foreign = write(tmp_path, "images/manifest.json", "image_table.parquet", "done/images/a.json")
    assert sweep(tmp_path, [key], [kept]) == 4
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {kept, "done/parse/source/000.json", *foreign}
