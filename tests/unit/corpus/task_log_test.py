import dataclasses

import pytest

from palo.corpus.task_log import TaskEntry, TaskKey, begin, finish, finished, sweep


@pytest.fixture
def ticket(tmp_path):
    return TaskKey(corpus=tmp_path, step="parse", name="source/000", key="a")


def write(corpus, *names, text="text"):
    for name in names:
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_text(text)
    return names


def test_a_finished_task_is_known_by_its_key(ticket, tmp_path):
    assert list(finished([ticket])) == [None]
    files = write(tmp_path, "records/source/0.parquet", "quarantine/parse/source/0.parquet")
    assert finish(ticket, {"rows": 3}, files) == TaskEntry({"rows": 3}, dict.fromkeys(files, 4))
    other = dataclasses.replace(ticket, key="b")
    further = dataclasses.replace(ticket, name="source/001")
    entries = list(finished([other, ticket, further]))
    assert entries == [None, ({"rows": 3}, dict.fromkeys(files, 4)), None]


@pytest.mark.parametrize("damage", ["gone", "cut", "entry"])
def test_what_is_not_whole_is_not_finished(ticket, tmp_path, damage):
    (file,) = write(tmp_path, "records/source/0.parquet")
    finish(ticket, {}, [file])
    match damage:
        case "gone":
            (tmp_path / file).unlink()
        case "cut":
            (tmp_path / file).write_text("t")
        case "entry":
            ticket.path.write_text("{")
    assert list(finished([ticket])) == [None]


def test_a_task_that_begins_again_is_not_finished(ticket, tmp_path):
    begin(ticket)
    finish(ticket, {}, write(tmp_path, "records/source/0.parquet"))
    begin(ticket)
    assert list(finished([ticket])) == [None]


def test_what_belongs_to_no_task_is_swept(ticket, tmp_path):
    (kept,) = write(tmp_path, "records/source/0.parquet")
    finish(ticket, {}, [kept])
    write(
        tmp_path,
        "records/gone/0.parquet",
        "records/source/.0.parquet.12-34.partial",
        "samples/gone/0.parquet",
        "done/parse/gone/0.json",
    )
    foreign = write(tmp_path, "images/manifest.json", "image_table.parquet", "done/images/a.json")
    assert sweep(tmp_path, [ticket], [kept]) == 4
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {kept, "done/parse/source/000.json", *foreign}
