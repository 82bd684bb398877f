"""Parquet in the layouts that Hugging Face's datasets have."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palo import languages
from palo.corpus.images_step.image_files import read_image
from palo.corpus.sources import misread, read_split, split_source
from palo.data.records import Origin, Record, parse_llava
from palo.errors import DataError, ImageError, StorageError
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

KNOWN = (languages.get("en"), languages.get("hi"))
ORIGIN = Origin(source="hub", language="en", languages=("en", "hi"), known=KNOWN)
IMAGES = [bytes([n]) * (10 + n) for n in range(25)]
TURN = pa.struct({"from": pa.string(), "value": pa.string()})
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def turns(number, place="<image>\n"):
    return [{"from": "human", "value": f"{place}What {number}?"}, {"from": "gpt", "value": "Ah."}]


def written(folder, columns, rows_per_group=10):
    path = folder / "train-00000-of-00001.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=rows_per_group)
    return path


def read(path):
    return [row for split in split_source(path) for row in read_split(split)]


def records_of(path, origin=ORIGIN):
    return [parse_llava(row.value, origin, str(row.offset)) for row in read(path)]


def images_of(records, tmp_path):
    return [read_image(record.image, tmp_path, ImageLimits()) for record in records]


def ids(count=25):
    return pa.array([f"{n:06d}" for n in range(count)])


def test_llavas_columns_with_images_within(tmp_path):
    path = written(
        tmp_path,
        {
            "id": ids(),
            "image": pa.array([{"bytes": p, "path": "x.jpg"} for p in IMAGES], IMAGE),
            "conversations": pa.array([turns(n) for n in range(25)], pa.list_(TURN)),
        },
    )
    found = split_source(path)
    assert [(split.start, split.end) for split in found] == [(0, 10), (10, 20), (20, 25)]
    assert misread(found, [(None, None, False)] * 3) == []
    rows = read(path)
    assert [row.offset for row in rows] == list(range(25))
    assert json.loads(rows[3].data)["conversations"] == turns(3)
    assert len(rows[3].data) < 300  # the image's bytes are not in it
    records = records_of(path)
    assert [record.record_id for record in records] == [f"hub/{n:06d}@{n}" for n in range(25)]
    assert images_of(records, tmp_path) == IMAGES
    assert images_of(records[::-1], tmp_path) == IMAGES[::-1]


def test_images_beside_the_file_and_none_at_all(tmp_path):
    images = [{"path": f"coco/{n}.jpg"} if n % 2 else None for n in range(4)]
    conversations = [turns(n, "<image>\n" if n % 2 else "") for n in range(4)]
    columns = {"id": ids(4), "conversations": pa.array(conversations, pa.list_(TURN))}
    origin = Origin(source="hub", language="en", languages=("en",), image_folder="/images")
    for kind in (IMAGE, pa.string()):
        values = images if kind is IMAGE else [image and image["path"] for image in images]
        path = written(tmp_path, columns | {"image": pa.array(values, kind)})
        assert [record.image for record in records_of(path, origin)] == [
            None, "/images/coco/1.jpg", None, "/images/coco/3.jpg",
        ]  # fmt: skip


def test_some_rows_with_and_some_without_an_image_within(tmp_path):
    images = [{"bytes": IMAGES[n]} if n % 3 else None for n in range(25)]
    path = written(
        tmp_path,
        {
            "image": pa.array(images, IMAGE),
            "conversations": pa.array(
                [turns(n, "<image>\n" if n % 3 else "") for n in range(25)], pa.list_(TURN)
            ),
        },
    )
    records = records_of(path)
    assert [record.image is None for record in records] == [n % 3 == 0 for n in range(25)]
    assert images_of([r for r in records if r.image], tmp_path) == [
        IMAGES[n] for n in range(25) if n % 3
    ]


def test_messages_with_a_list_of_images_and_parts(tmp_path):
    parts = [{"type": "image", "text": None}, {"type": "text", "text": "What?"}]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
    ]
    images = [[{"bytes": IMAGES[0]}], [{"bytes": b"1"}, {"bytes": b"2"}], []]
    path = written(
        tmp_path,
        {"images": pa.array(images, pa.list_(IMAGE)), "messages": [messages] * 3},
    )
    one, two, none = records_of(path)
    assert one.turns[0].text == "What?"
    assert images_of([one], tmp_path) == IMAGES[:1]
    assert (two.reason, two.detail) == (Reason.MANY_IMAGES, "2 images")
    assert none.reason is Reason.PLACE_WITHOUT_IMAGE


def test_plain_bytes_lists_in_a_struct_and_other_languages(tmp_path):
    path = written(
        tmp_path,
        {
            "image": pa.array(IMAGES[:2], pa.binary()),
            "conversations": pa.array(
                [{"from": ["human", "gpt"], "value": ["<image>", "Ah."]}] * 2
            ),
            "hindi_conversation": pa.array([[turns(1)[0]], None], pa.list_(TURN)),
            "score": pa.array([1.5, 2.5]),
        },
    )
    records = records_of(path)
    assert all(isinstance(record, Record) for record in records)
    assert [record.language for record in records] == ["hi", "en"]
    assert images_of(records, tmp_path) == IMAGES[:2]


def test_a_row_that_is_not_utf_8_is_counted_alone(tmp_path):
    texts = pa.array([b"Ah.", b"caf\xe9", b"Oh."]).view(pa.string())
    turn = pa.StructArray.from_arrays([pa.array(["human"] * 3), texts], ["from", "value"])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), turn)
    rows = read(written(tmp_path, {"conversations": lists}))
    assert [row.reason for row in rows] == [None, Reason.NOT_UTF8, None]


def test_a_file_without_conversations_or_cut_off_is_one_clear_error(tmp_path):
    path = written(tmp_path, {"text": ["a"], "label": [1]})
    with pytest.raises(DataError, match=r"no conversations.*has text, label"):
        split_source(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StorageError, match="damaged"):
        split_source(path)


def test_no_row_can_name_a_row_of_a_parquet_file(tmp_path):
    row = {"image": "/secret.parquet//000000000001", "conversations": turns(1)}
    assert parse_llava(row, ORIGIN).reason is Reason.NO_IMAGE_FOLDER
    origin = Origin(source="hub", language="en", languages=("en",), image_folder="/images")
    assert parse_llava(row, origin).reason is Reason.IMAGE_OUTSIDE


def test_an_image_that_is_too_large_or_gone_has_a_reason(tmp_path):
    images = pa.array([{"bytes": b"x" * 100, "path": None}], IMAGE)
    path = written(tmp_path, {"image": images, "conversations": [turns(1)]})
    with pytest.raises(ImageError, match=Reason.IMAGE_FILE_TOO_LARGE):
        read_image(f"{path}//0", tmp_path, ImageLimits(max_file_bytes=99))
    with pytest.raises(ImageError, match=Reason.IMAGE_MISSING):
        read_image(f"{path}//1", tmp_path, ImageLimits())
