"""Prompts from files, from folders of images, and about drawn scenes."""

import pytest

from palo import languages
from palo.errors import DataError, ImageError, StorageError
from palo.evaluate.model_comparison.prompts import image_prompts, read_prompts, scene_prompts


@pytest.fixture
def folder(tmp_path, image_files):
    (tmp_path / "images").mkdir()
    for path in image_files[:2]:
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_held_out_questions_and_those_of_benches_are_read(folder) -> None:
    path = folder / "questions.jsonl"
    path.write_text(
        '{"id": "a", "image": "images/0.png", "language": "ur", "kind": "at", "question": "یہ؟", '
        '"answer": "x"}\n{"question_id": 3, "image": "images/1.png", "text": "What?"}\n'
        '{"prompt": "no image"}\n',
        encoding="utf-8",
    )
    first, second, third = read_prompts(path, folder)
    assert (first.language, first.question, first.image) == ("ur", "یہ؟", folder / "images/0.png")
    assert (second.language, second.question) == ("und", "What?")
    assert third.image is None


def test_each_line_of_a_text_is_asked_about_each_image(folder) -> None:
    path = folder / "prompts.txt"
    path.write_text("What?\n\nWhere?\n")
    assert [one.image for one in read_prompts(path, None)] == [None, None]
    found = read_prompts(path, folder / "images")
    assert [one.key for one in found] == ["0.png/1", "0.png/3", "1.png/1", "1.png/3"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", DataError, "there are no prompts"),
        ("{", StorageError, "is not JSON"),
        ("[1]", DataError, "line 1"),
        ('{"question": " "}', DataError, "has no question"),
        ('{"question": 7}', DataError, "has no question"),
        ('{"text": "a", "language": "xx"}', DataError, "unknown language"),
        ('{"text": "a", "image": "images/9.png"}', DataError, "names a missing image"),
        ('{"text": "a", "image": "../9.png"}', ImageError, "leaves its folder"),
    ],
)
def test_a_wrong_line_is_named(folder, text, error, words) -> None:
    path = folder / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(error, match=words):
        read_prompts(path, None)


def test_images_are_described_in_every_language(folder) -> None:
    found = image_prompts(folder / "images")
    assert len(found) == 2 * len(languages.codes())
    assert len({one.question for one in found}) == len(languages.codes())
    (folder / "none").mkdir()
    with pytest.raises(DataError, match="there are no images"):
        image_prompts(folder / "none")
    with pytest.raises(StorageError):
        image_prompts(folder / "nowhere")


def test_scenes_are_those_of_their_seed(tmp_path) -> None:
    found = scene_prompts(tmp_path / "one", 2, 3)
    assert {one.language for one in found} == set(languages.codes())
    assert len({one.key for one in found}) == len(found)
    again = scene_prompts(tmp_path / "two", 2, 3)
    assert [one.question for one in again] == [one.question for one in found]
    assert [one.question for one in scene_prompts(tmp_path / "two", 2, 4)] != [
        one.question for one in found
    ]
