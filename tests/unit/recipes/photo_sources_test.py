import json
from pathlib import Path
from typing import Any

import pytest

from palo.data.records import Origin, Record, parse_llava
from palo.errors import ConfigError, DataError
from palo.recipes.photo_sources import PhotoSettings, write_photo_sources

_NUM_PHOTOS = 9
_SETTINGS = PhotoSettings(num_heldout_photos=3, seed=4)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    rows = [
        {
            "id": 100 + n,
            "image": f"{n:04d}.jpg",
            "captions": [f"photo {n}\n  caption {c} " for c in range(5)],
        }
        for n in range(_NUM_PHOTOS)
    ]
    path = tmp_path / "captions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _answers(rows: list[dict[str, Any]]) -> list[str]:
    turns = [turn for row in rows for turn in row["conversations"]]
    return sorted(turn["value"] for turn in turns if turn["from"] == "gpt")


def test_every_training_caption_is_in_both_stages_once(captions: Path, tmp_path: Path) -> None:
    sources = write_photo_sources(captions, tmp_path / "out", _SETTINGS)
    stages = [_rows(sources.captions), _rows(sources.instructions)]
    heldout = _rows(sources.heldout)
    assert (sources.num_train_photos, sources.num_heldout_photos) == (6, 3)
    assert [len(stages[0]), len(stages[1])] == [sources.num_captions, sources.num_instructions]
    assert (sources.num_captions, sources.num_instructions, sources.num_heldout) == (30, 24, 15)
    kept = {row["image"] for row in heldout}
    expected = sorted(
        f"photo {n} caption {c}"
        for n in range(_NUM_PHOTOS)
        if f"{n:04d}.jpg" not in kept
        for c in range(5)
    )
    for rows in stages:
        assert not kept & {row["image"] for row in rows}
        assert _answers(rows) == expected


def test_the_rows_are_records_that_the_templates_can_train(captions: Path, tmp_path: Path) -> None:
    sources = write_photo_sources(captions, tmp_path / "out", _SETTINGS)
    origin = Origin(source="photos", image_folder="images", languages=("en",))
    for path, rounds in ((sources.captions, {1}), (sources.instructions, {1, 2})):
        records = [parse_llava(row, origin) for row in _rows(path)]
        assert all(isinstance(record, Record) for record in records)
        assert {
            len(record.turns) // 2 for record in records if isinstance(record, Record)
        } == rounds
    questions = [row["conversations"][0]["value"] for row in _rows(sources.instructions)]
    assert len(set(questions)) > 2


def test_heldout_neighbours_show_different_photos(captions: Path, tmp_path: Path) -> None:
    rows = _rows(write_photo_sources(captions, tmp_path / "out", _SETTINGS).heldout)
    images = [row["image"] for row in rows]
    assert all(one != other for one, other in zip(images, images[1:] + images[:1], strict=True))
    assert {tuple(sorted(row)) for row in rows} == {("caption", "id", "image", "language")}


def test_the_seed_alone_decides(captions: Path, tmp_path: Path) -> None:
    def written(name: str, seed: int) -> list[bytes]:
        settings = PhotoSettings(num_heldout_photos=3, seed=seed)
        sources = write_photo_sources(captions, tmp_path / name, settings)
        return [p.read_bytes() for p in (sources.captions, sources.instructions, sources.heldout)]

    assert written("one", 4) == written("two", 4)
    assert all(a != b for a, b in zip(written("one", 4), written("three", 5), strict=True))


@pytest.mark.parametrize(
    "line",
    [
        '["a list"]',
        '{"id": 1, "image": "a.jpg"}',
        '{"id": 1, "image": "a.jpg", "captions": [3]}',
        '{"id": 1, "image": "a.jpg", "captions": []}',
        '{"id": 1, "image": "a.jpg", "captions": ["a", "  "]}',
    ],
)
def test_a_bad_line_is_named(captions: Path, tmp_path: Path, line: str) -> None:
    captions.write_text(captions.read_text() + line + "\n")
    with pytest.raises(DataError, match=f"line {_NUM_PHOTOS + 1}"):
        write_photo_sources(captions, tmp_path / "out", _SETTINGS)


def test_some_photos_must_be_left_to_train_on(captions: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="9 photos, 9 held out"):
        write_photo_sources(captions, tmp_path / "out", PhotoSettings(num_heldout_photos=9))
    with pytest.raises(ConfigError, match="at least 2"):
        write_photo_sources(captions, tmp_path / "out", PhotoSettings(num_heldout_photos=1))


@pytest.mark.data
def test_the_real_photos_are_all_there(data_folder: Path, tmp_path: Path) -> None:
    photos = data_folder / "captions" / "coco111"
    sources = write_photo_sources(photos / "captions.jsonl", tmp_path, PhotoSettings())
    assert (sources.num_train_photos, sources.num_heldout_photos) == (89, 22)
    images = {row["image"] for path in (sources.captions, sources.heldout) for row in _rows(path)}
    assert len(images) == 111
    assert all((photos / "images" / image).is_file() for image in images)
