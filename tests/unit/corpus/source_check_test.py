"""A wrong image folder is one message, before anything is built."""

import json
import zipfile

import pytest

from palo.corpus.config import SourceConfig
from palo.corpus.images_step.image_files import read_image
from palo.corpus.source_check import check_images
from palo.corpus.sources import split_source
from palo.errors import ConfigError, DataError
from palo.images.preprocessing import ImageLimits


@pytest.fixture
def place(tmp_path):
    photos = tmp_path / "data" / "photos"
    (photos / "train").mkdir(parents=True)
    for name in ("a.jpg", "train/b.jpg"):
        (photos / name).write_bytes(b"")
    zipfile.ZipFile(tmp_path / "data" / "photos.zip", "w").close()
    return tmp_path / "data"


def check(place, images, *names):
    rows = [{"image": name, "caption": "A dog."} for name in names] + [
        {"query": "a", "response": "b"}
    ]
    path = place / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    source = SourceConfig(name="own", path=path, images=images, language="en")
    check_images(source, split_source(path))


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("photos", ["a.jpg", "gone.jpg"]),
        ("photos", ["gone.jpg", "train/b.jpg"]),
        (".", ["photos/a.jpg"]),
        ("photos", []),
        ("photos.zip", ["b.jpg"]),  # its index is made later
        (None, ["a.jpg"]),
    ],
)
def test_a_folder_with_any_of_the_first_images_is_right(place, folder, names):
    check(place, None if folder is None else place / folder, *names)


@pytest.mark.parametrize(
    ("folder", "names", "near"),
    [
        (".", ["x.jpg", "a.jpg"], "photos"),
        ("photos", ["b.jpg"], "photos/train"),
        ("photos", ["photos/a.jpg"], "."),
        ("photos/train", ["a.jpg"], "photos"),
    ],
)
def test_a_folder_near_the_images_is_told_with_the_right_one(place, folder, names, near):
    with pytest.raises(DataError, match=f"none of the first {len(names)} images") as caught:
        check(place, place / folder, *names)
    assert f"It is in {place / near}: name that folder." in str(caught.value)
    assert names[0] in str(caught.value)


def test_rows_that_name_folders_which_are_not_there_are_told_where_their_file_is(place):
    with pytest.raises(DataError, match=r"There is .*: correct the rows' paths") as caught:
        check(place, place / "photos", "coco/train2017/a.jpg")
    assert str(place / "photos" / "a.jpg") in str(caught.value)


def test_a_folder_that_is_not_there_is_told_at_once(place):
    with pytest.raises(ConfigError, match="the image folder of source own doesn't exist"):
        check(place, place / "phtos", "a.jpg")


def test_a_file_that_is_no_archive_is_told_at_once(place):
    (place / "notes.md").write_text("# Notes")
    with pytest.raises(DataError, match=r"notes\.md: it begins with b'# Notes'\. Name a folder"):
        check(place, place / "notes.md", "a.jpg")


def test_images_that_are_nowhere_near_are_told_too(place):
    with pytest.raises(DataError, match="Name the folder that the rows' image paths start from"):
        check(place, place / "photos", "nowhere.jpg")


def test_a_link_that_leads_out_of_the_folder_is_followed(place):
    outside = place.parent / "elsewhere.jpg"
    outside.write_bytes(b"bytes of an image")
    link = place / "photos" / "link.jpg"
    link.symlink_to(outside)
    check(place, place / "photos", "link.jpg")
    assert read_image(str(link), place, ImageLimits()) == outside.read_bytes()
