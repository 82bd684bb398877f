"""Images that files of others name: nothing but files in the folder that the operator named."""

import json
import os

import pytest
from tests.fixtures.confined import run_confined

from palo import storage
from palo.errors import DataError, ImageError, PaloError
from palo.evaluate.benches.bench import BenchItem, BenchSource, read_bench
from palo.evaluate.benches.sources.scenes import read_questions
from palo.evaluate.caption_loss import read_photos
from palo.evaluate.dialogues import read_dialogues
from palo.evaluate.reports.cards import Images
from palo.images.image_folder import ImageFolder, read_image_file
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason
from palo.translate.review.item import Item, edition_of
from palo.translate.review.page.form import item_form
from palo.translate.review.page.settings import review_texts

OUTSIDE = (
    "/etc/hostname",
    "../secret.png",
    "deep/../../secret.png",
    "linked/secret.png",
    "link.png",
    "s3:/any-bucket/key.png",
    "s3://any-bucket/key.png",
    "s3://any-bucket/key.png?endpoint_override=evil.example:80&scheme=http",
    "s3:/any-bucket?endpoint_override=127.0.0.1:1&scheme=http/key.png",
    "a.png?endpoint_override=evil.example:80",
    "a.png\0b",
)


@pytest.fixture
def folder(tmp_path, image_files):
    """A folder of images with ways out of it, beside an image that must not be shown."""
    images = tmp_path / "images"
    (images / "deep").mkdir(parents=True)
    secret = tmp_path / "secret.png"
    for place in (secret, images / "in.png", images / "deep" / "in.png"):
        place.write_bytes(image_files[0].read_bytes())
    (images / "linked").symlink_to(tmp_path)
    (images / "link.png").symlink_to(secret)
    (images / "kept.png").symlink_to("deep/in.png")
    return images


@pytest.fixture
def no_store(monkeypatch):
    """Any request to S3 is a failure, whatever the code makes of errors."""
    asked = []

    def refuse(place):
        asked.append(place)
        raise AssertionError(f"{place} was asked")

    monkeypatch.setattr("palo.storage.s3_requests.client_of", refuse)
    yield
    assert not asked


def shown(translation, name, images):
    made = translation(image=name)
    item = Item(translated=made, edition=edition_of(made))
    return "<img" in item_form(item, review_texts("en"), None, images)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_review_shows_nothing_outside_its_folder(translation, folder, name, no_store):
    assert not shown(translation, name, folder)


def test_a_review_shows_what_is_in_its_folder(translation, folder, monkeypatch):
    assert shown(translation, "in.png", folder)
    assert shown(translation, "./deep/in.png", folder)
    assert shown(translation, "kept.png", folder)
    monkeypatch.chdir(folder)
    assert shown(translation, "in.png", None)
    assert not shown(translation, str(folder / "in.png"), None)


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_reason_is_told(folder, name):
    with pytest.raises(ImageError) as caught:
        ImageFolder(folder).read(name)
    assert caught.value.fact == Reason.IMAGE_OUTSIDE


def test_links_in_a_circle_lead_nowhere(folder):
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(ImageError):
        ImageFolder(folder).read("a/x.png")


def test_a_snapshot_of_hugging_faces_cache_holds_its_blobs(tmp_path, image_files):
    cached = tmp_path / "datasets--a--b"
    images = cached / "snapshots" / "0123" / "images"
    images.mkdir(parents=True)
    (cached / "blobs").mkdir()
    (cached / "blobs" / "ff").write_bytes(image_files[0].read_bytes())
    (images / "a.png").symlink_to("../../../blobs/ff")
    (images / "b.png").symlink_to("../../../../other")
    (tmp_path / "other").write_bytes(b"")
    assert ImageFolder(images).read("a.png") == image_files[0].read_bytes()
    with pytest.raises(ImageError):
        ImageFolder(images).read("b.png")


def test_a_bucket_is_the_operators_choice(bucket):
    (bucket / "photos" / "a.png").write_bytes(b"a")
    (bucket / "private" / "b.png").write_bytes(b"b")
    images, name = ImageFolder(bucket / "photos"), bucket.place.bucket
    assert images.read("a.png") == b"a"
    assert images.read(f"s3://{name}/photos/a.png") == b"a"
    for wrong in (
        f"s3://{name}/private/b.png",
        f"s3:/{name}/private/b.png",
        f"s3://{name}/photos/../private/b.png",
        "s3://other/photos/a.png",
        "s3://",
        "../private/b.png",
        str(bucket / "photos" / "a.png"),
        "a.png?endpoint_override=evil.example:80",
    ):
        with pytest.raises(ImageError) as caught:
            images.read(wrong)
        assert caught.value.fact == Reason.IMAGE_OUTSIDE


_READS = """
    from pathlib import Path
    from palo.images.image_folder import ImageFolder
    from palo.errors import ImageError
    for name in sys.argv[2:]:
        try:
            ImageFolder(Path(sys.argv[1])).read(name)
        except ImageError as error:
            print(error.fact)
    print(grown() < 200 << 20)
"""


def test_neither_pipes_nor_devices_are_read(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    ended = run_confined(_READS, folder, "pipe.png", "zero.png", max_bytes=2 << 30)
    assert ended.output.split("\n")[:3] == [Reason.IMAGE_UNREADABLE, Reason.IMAGE_OUTSIDE, "True"]


_FORM = """
    from pathlib import Path
    from tests.fixtures.translations import translation_of
    from palo.translate.review.item import Item, edition_of
    from palo.translate.review.page.form import item_form
    from palo.translate.review.page.settings import review_texts
    for name in sys.argv[2:]:
        made = translation_of(image=name)
        item = Item(translated=made, edition=edition_of(made))
        print("<img" in item_form(item, review_texts("en"), None, Path(sys.argv[1])))
"""


def test_a_review_survives_pipes_and_devices(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    ended = run_confined(_FORM, folder, "pipe.png", "zero.png", "/dev/zero", max_bytes=4 << 30)
    assert ended.output.split() == ["False", "False", "False"], ended.errors


def test_reports_read_files_alone(folder):
    for path in ("/dev/zero", "/proc/self/mem"):
        with pytest.raises(ImageError):
            read_image_file(storage.path_of(path), ImageLimits(max_file_bytes=1 << 20))
    os.mkfifo(folder / "pipe.png")
    assert "<img" not in Images().shown(folder / "pipe.png")


@pytest.mark.parametrize("name", OUTSIDE)
def test_questions_photos_and_dialogues_stay_in_their_folder(folder, tmp_path, name, no_store):
    question = {"id": "a", "image": name, "language": "en", "kind": "k", "question": "q?"}
    rows = {
        read_questions: question | {"answer": "a"},
        read_photos: {"image": name, "caption": "c"},
        read_dialogues: {"image": name, "language": "en", "questions": ["q?"]},
    }
    path = tmp_path / "rows.jsonl"
    for read, row in rows.items():
        path.write_text(json.dumps(row))
        with pytest.raises(DataError):
            read(path, folder)


def test_a_bench_stays_in_its_folder(tmp_path, folder):
    def bench_of(image):
        item = BenchItem(
            question_id="1", language="en", image=image, category="c", question="q?",
            references=("a",),
        )  # fmt: skip
        source = BenchSource(
            name="b", title="B", licence="", origin="", task="judged", layout="",
            read=lambda folder, code: [item],
        )  # fmt: skip
        return read_bench(source, tmp_path, ["en"])

    assert bench_of(folder / "in.png").items
    for name in ("linked/secret.png", "../../secret.png"):
        with pytest.raises(PaloError, match="outside its bench"):
            bench_of(folder / name)
    elsewhere = tmp_path / "bench"
    elsewhere.mkdir()
    (elsewhere / "images").symlink_to(folder)  # the operator keeps the images on another disk
    assert bench_of(elsewhere / "images" / "in.png").items
