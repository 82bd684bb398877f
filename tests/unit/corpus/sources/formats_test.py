"""Files as people have them: tables, gzip, an object around the rows, COCO's captions."""

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palo import languages
from palo.corpus.parse.worker import parse_row
from palo.corpus.sources import misread, opened, read_split, source_files, split_source
from palo.data.records import Origin, Record
from palo.errors import DataError
from palo.reasons import Reason, SourceFault

ORIGIN = Origin(
    source="own",
    language="en",
    image_folder="/photos",
    languages=languages.codes(),
    known=tuple(languages.every()),
)
ROW = {"image": "a.jpg", "caption": "A dog."}
WISH = languages.get("en").caption_wish


def written(folder, name, text):
    path = folder / name
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def outcomes(path):
    return [
        parse_row(raw, ORIGIN, split.row_offset(raw.offset))
        for split in split_source(path)
        for raw in read_split(split)
    ]


def captions(path):
    found = outcomes(path)
    assert all(isinstance(each, Record) for each in found), found
    return [(each.image, each.turns[1].text) for each in found]


TWO = [("/photos/a.jpg", "A dog, big."), ("/photos/b.jpg", "Two\ncats.")]
CSV = 'image,caption\r\na.jpg,"A dog, big."\r\nb.jpg,"Two\ncats."\r\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", CSV),
        ("a.csv", "\ufeff" + CSV),
        ("a.CSV", CSV + "\r\n\r\n"),
        ("a.csv", CSV.replace("image,caption", "File Name,Caption")),
        ("a.csv", CSV.replace("image,caption", '"image" , "text"')),
        ("a.csv", CSV.replace("image,caption", "file_name;text").replace("jpg,", "jpg;")),
        ("a.tsv", 'image\tcaption\na.jpg\tA dog, big.\nb.jpg\t"Two\ncats."'),
        ("a.csv", CSV.replace("image,caption", "image|caption").replace("jpg,", "jpg|")),
        ("a.csv.gz", CSV),
        ("a.tsv.gz", 'caption\timage\nA dog, big.\ta.jpg\n"Two\ncats."\tb.jpg'),
    ],
)
def test_a_table_of_captions_is_a_source(tmp_path, name, text):
    assert captions(written(tmp_path, name, text)) == TWO


def test_a_table_may_have_languages_questions_and_ids(tmp_path):
    text = "id,image,question,answer,language\n7,a.jpg,What?,A dog.,\n8,,Why?,Because.,ur\n"
    first, second = outcomes(written(tmp_path, "a.csv", text))
    assert (first.record_id, first.image, first.language) == ("own/7@2", "/photos/a.jpg", "en")
    assert (second.image, second.language) == (None, "ur")


def test_bad_lines_of_a_table_have_reasons_and_line_numbers(tmp_path):
    text = "image,caption\na.jpg,A dog.,more,cells\nb.jpg,\xff\n,A cat.\nc.jpg,Good.\n"
    path = written(tmp_path, "a.csv", text.encode("latin-1"))
    (split,) = split_source(path)
    raws = list(read_split(split))
    assert [raw.offset for raw in raws] == [2, 3, 4, 5]
    reasons = [getattr(found, "reason", None) for found in outcomes(path)]
    assert reasons == [Reason.MORE_CELLS, Reason.NOT_UTF8, Reason.PLACE_WITHOUT_IMAGE, None]


def test_a_quote_that_never_ends_costs_no_more_than_a_cell(tmp_path):
    limit = csv.field_size_limit()
    text = 'image,caption\na.jpg,"' + "word " * limit + "\nb.jpg,Good.\n"
    reasons = {
        getattr(found, "reason", None) for found in outcomes(written(tmp_path, "a.csv", text))
    }
    assert Reason.TOO_LARGE in reasons


@pytest.mark.parametrize("text", ["a.jpg,A dog.\n", "one,two\n1,2\n", "just text"])
def test_a_table_without_known_columns_says_what_it_begins_with(tmp_path, text):
    path = written(tmp_path, "a.csv", text)
    with pytest.raises(DataError, match=SourceFault.NO_COLUMNS) as caught:
        split_source(path)
    assert text.split("\n")[0] in str(caught.value)
    assert "image,caption" in str(caught.value)


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.txt"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "around",
    [
        {"data": []},
        {"version": "1.0", "info": {"rows": [1]}, "samples": [], "licence": "CC"},
        {"rows": [], "train": 7},
    ],
)
def test_rows_may_be_in_an_object(tmp_path, name, indent, around):
    rows = [{"image": f"{n}.jpg", "caption": f"Dog {n}."} for n in range(40)]
    whole = {key: rows if value == [] else value for key, value in around.items()}
    path = written(tmp_path, name, json.dumps(whole, indent=indent))
    assert captions(path) == [(f"/photos/{n}.jpg", f"Dog {n}.") for n in range(40)]


def test_an_object_around_the_rows_is_read_in_splits(tmp_path):
    rows = [{"image": f"{n}.jpg", "caption": f"Dog {n}."} for n in range(200)]
    whole = {
        "info": [{"text": "x", "n": n} for n in range(100)],
        "data": rows,
        "end": [{"text": 1}],
    }
    path = written(tmp_path, "a.json", json.dumps(whole))
    splits = split_source(path, split_bytes=600)
    readers = [read_split(split) for split in splits]
    read = [list(reader) for reader in readers]
    for _ in splits:
        wrong = misread(splits, [reader.boundary for reader in readers])
        if not wrong:
            break
        for split in wrong:
            number = split.start // 600
            splits[number], readers[number] = split, read_split(split)
            read[number] = list(readers[number])
    assert [raw.value["image"] for part in read for raw in part] == [row["image"] for row in rows]


@pytest.mark.parametrize("images_first", [True, False])
def test_cocos_captions_are_a_source(tmp_path, images_first):
    images = [{"id": 9, "file_name": "a.jpg", "coco_url": "http://x/a.jpg"}, {"id": 8}]
    notes = [
        {"id": 1, "image_id": 9, "caption": "A dog."},
        {"id": 2, "image_id": 9, "caption": "A big dog."},
        {"id": 3, "image_id": 5, "caption": "Nothing."},
        {"id": 4, "image_id": 9, "bbox": [1, 2]},
    ]
    parts = [("images", images), ("annotations", notes)]
    whole = {"info": {"year": 2017}, **dict(parts if images_first else parts[::-1])}
    first, second, lost, box = outcomes(written(tmp_path, "captions.json", json.dumps(whole)))
    assert (first.image, first.turns[0].text, first.turns[1].text) == (
        "/photos/a.jpg",
        WISH,
        "A dog.",
    )
    assert second.turns[1].text == "A big dog."
    assert (lost.reason, box.reason) == (Reason.IMAGE_NOT_READ, Reason.NO_TURNS)


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_without_rows_names_its_keys(tmp_path, indent):
    path = written(tmp_path, "a.json", json.dumps({"foo": 1, "bar": {"a": [1]}}, indent=indent))
    if indent is None:  # as a line it is a row, whose keys are named
        assert "foo, bar" in outcomes(path)[0].detail
        return
    with pytest.raises(DataError, match="one object with foo, bar"):
        split_source(path)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.ndjson.gz", "a.jsonl"])
@pytest.mark.parametrize("form", ["lines", "array", "crlf"])
def test_gzip_is_unpacked_while_it_is_read(tmp_path, name, form):
    lines = [json.dumps(ROW | {"id": n}) for n in range(30)]
    text = {"lines": "\n", "crlf": "\r\n"}.get(form, ",").join(lines)
    path = written(tmp_path, name, f"[{text}]" if form == "array" else text)
    assert captions(path) == [("/photos/a.jpg", "A dog.")] * 30


def test_gzip_that_is_cut_off_is_told(tmp_path):
    path = written(
        tmp_path, "a.jsonl.gz", "\n".join(json.dumps(ROW | {"id": n}) for n in range(999))
    )
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=SourceFault.GZIP):
        outcomes(path)


def test_gzip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(opened, "_SURELY_FINE_BYTES", 1000)
    path = written(tmp_path, "a.jsonl.gz", b'{"a":"' + b" " * 4_000_000 + b'"}')
    with pytest.raises(DataError, match=SourceFault.UNPACKS):
        outcomes(path)


def test_a_folder_may_hold_files_of_all_kinds(tmp_path):
    names = ["a.csv", "b.jsonl.gz", "c.json", "d.tsv", "e.NDJSON"]
    for name in [*names, "photo.jpg", "notes.txt"]:
        written(tmp_path, name, "x")
    assert [file.name for file in source_files(tmp_path)] == names


def test_a_line_may_be_a_list_of_turns(tmp_path):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    for text in (f"{json.dumps(turns)}\n" * 3, json.dumps([turns] * 3)):
        found = outcomes(written(tmp_path, "a.json", text))
        assert [each.turns[1].text for each in found] == ["Yes?"] * 3


def test_parquet_of_the_cauldron_and_of_captions(tmp_path):
    images = [[{"bytes": b"one", "path": None}], [{"bytes": b"two", "path": None}]]
    texts = [[{"user": "What?", "assistant": f"Dog {n}.", "source": "x"}] for n in range(2)]
    path = tmp_path / "cauldron.parquet"
    pq.write_table(pa.table({"images": images, "texts": texts}), path)
    assert captions(path) == [(f"{path}//{n:012d}", f"Dog {n}.") for n in range(2)]
    path = tmp_path / "captions.parquet"
    image = [{"bytes": b"one", "path": "a.jpg"}]
    pq.write_table(pa.table({"image": image, "text": ["A dog."], "language": ["English"]}), path)
    assert captions(path) == [(f"{path}//{0:012d}", "A dog.")]
    pq.write_table(pa.table({"file_name": ["a.jpg"], "caption": ["A dog."]}), path)
    assert captions(path) == [("/photos/a.jpg", "A dog.")]


def test_parquet_with_bytes_that_are_not_read_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"pic": [b"one"], "query": ["What?"], "response": ["A dog."]}), path)
    with pytest.raises(DataError, match=f"{SourceFault.UNREAD_COLUMN}.*pic"):
        split_source(path)
    pq.write_table(pa.table({"pic_file": ["a.jpg"], "query": ["Q"], "response": ["A"]}), path)
    table = pa.table({"image_id": [7, None], "query": ["Q", "Q"], "response": ["A", "A"]})
    pq.write_table(table, path)
    assert [getattr(each, "reason", None) for each in outcomes(path)] == [
        Reason.IMAGE_NOT_READ,
        None,
    ]
