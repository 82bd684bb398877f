import dataclasses
from pathlib import Path

import pytest
from tests.unit.evaluate.benches.conftest import write_lines

from palo import languages
from palo.errors import ConfigError, DataError, ImageError, StorageError
from palo.evaluate.benches.bench import bench_source, bench_sources, check_images, read_bench


def wild(folder, *codes):
    return read_bench(bench_source("llava-wild"), folder, codes)


def test_every_bench_says_its_name_licence_and_origin():
    assert len(bench_sources()) >= 8
    for name, source in bench_sources().items():
        assert source.name == name
        assert source.licence
        assert source.origin
        assert source.layout


def test_an_unknown_bench_is_told_with_the_nearest_name():
    with pytest.raises(ConfigError, match="Did you mean llava-wild"):
        bench_source("lava-wild")


def test_answers_and_captions_are_found_by_id_not_by_place(palo_layout):
    bench = wild(palo_layout)
    assert bench.codes == ("en", "ur")
    assert bench.categories == ("conv", "detail")
    first, second, third, _ = bench.items
    assert (first.question, first.references) == ("What?", ("A hill.",))
    assert (second.question, second.references) == ("Describe.", ("A green hill.",))
    assert first.context == ("A hill by the sea.", "b")
    assert (third.key, third.question) == ("ur/0", "کیا؟")
    assert first.image == palo_layout / "images" / "001.jpg"


def test_the_hash_follows_the_content_and_not_the_place(palo_layout, tmp_path):
    bench = wild(palo_layout)
    assert wild(palo_layout).hash == bench.hash
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("english", "urdu"):
        (palo_layout / name).rename(moved / name)
    assert wild(moved).hash == bench.hash
    answers = moved / "urdu" / "answers.jsonl"
    answers.write_text(answers.read_text("utf-8").replace("سبز", "نیلی"), "utf-8")
    assert wild(moved).hash != bench.hash
    assert wild(moved, "en").hash != bench.hash


def test_some_languages_may_be_asked_for(palo_layout):
    assert wild(palo_layout, "ur").codes == ("ur",)
    with pytest.raises(DataError, match=r"no questions in some languages: bn in"):
        wild(palo_layout, "bn", "en")
    with pytest.raises(ConfigError, match="unknown language"):
        wild(palo_layout, "xx")


def test_an_empty_folder_tells_what_it_should_hold(tmp_path):
    with pytest.raises(DataError, match=r"Its folder holds images/ and for each language"):
        wild(tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("answers", [{"question_id": 0, "text": "a"}], "1 question ids of .* are not in"),
        ("answers", [{"question_id": n, "text": "a"} for n in (0, 1, 2)], "are not in"),
        ("answers", [{"question_id": 0, "text": "a"}] * 2, "line 2 .* repeats the question_id"),
        ("answers", [{"question_id": n, "text": " "} for n in (0, 1)], "lacks text for text"),
        ("answers", [["a"]], "line 1 of .* is not an object"),
        (
            "answers",
            [{"question_id": n, "text": "a", "prompt": "Other?"} for n in (0, 1)],
            "answers another question",
        ),
        ("context", [{"image": "002.jpg", "caption": "x"}], "doesn't describe: '001.jpg'"),
        ("context", [{"image": "001.jpg", "caption": 3}], "has no texts in caption"),
        (
            "context",
            [{"image": "001.jpg", "caption": "a", "instances": [1]}],
            "instances without a category",
        ),
        (
            "question",
            [
                {"question_id": n, "image": "../../x.jpg", "text": "a", "category": "b"}
                for n in (0, 1)
            ],
            "doesn't describe",
        ),
    ],
)
def test_bad_files_give_one_clear_error(palo_layout, name, rows, message):
    write_lines(palo_layout / "english" / f"{name}.jsonl", rows)
    with pytest.raises(DataError, match=message):
        wild(palo_layout)


def test_a_missing_file_and_a_broken_line_are_told(palo_layout):
    answers = palo_layout / "urdu" / "answers.jsonl"
    answers.write_text('{"question_id"\n', encoding="utf-8")
    with pytest.raises(StorageError, match="line 1 of"):
        wild(palo_layout)
    answers.unlink()
    with pytest.raises(DataError, match=r"no file of this name: answers\.jsonl or"):
        wild(palo_layout)


def test_missing_images_are_counted(palo_layout):
    bench = wild(palo_layout)
    with pytest.raises(ImageError, match="1 of 1 images are missing"):
        check_images(bench)
    (palo_layout / "images").mkdir()
    (palo_layout / "images" / "001.jpg").write_bytes(b"any")
    check_images(bench)


def test_an_image_outside_the_folder_is_refused(palo_layout):
    row = {"question_id": 0, "image": "../../x.jpg", "text": "a", "category": "b"}
    write_lines(palo_layout / "english" / "question.jsonl", [row])
    write_lines(palo_layout / "english" / "answers.jsonl", [{"question_id": 0, "text": "a"}])
    write_lines(
        palo_layout / "english" / "context.jsonl", [{"image": "../../x.jpg", "caption": "c"}]
    )
    with pytest.raises(DataError, match="outside its bench"):
        wild(palo_layout)


def test_the_corrected_files_come_first(palo_layout):
    corrected = palo_layout / "urdu" / "corrected"
    rows = [
        {"question_id": n, "image": "001.jpg", "text": "نیا؟", "category": "conv"} for n in (0, 1)
    ]
    write_lines(corrected / "question.jsonl", rows)
    assert {item.question for item in wild(palo_layout, "ur").items} == {"نیا؟"}


def test_an_eleventh_language_needs_only_its_folder(palo_layout, eleventh_language):
    (palo_layout / "english").rename(palo_layout / "swahili")
    assert wild(palo_layout).codes == ("ur", "sw")


def test_an_item_says_which_language_its_answer_should_have(palo_layout):
    item = wild(palo_layout, "ur").items[0]
    assert item.expected_language == "ur"
    assert dataclasses.replace(item, answer_language="en").expected_language == "en"


@pytest.mark.data
def test_the_published_benches_are_read_whole(data_folder):
    folder = data_folder / "bench"
    bench = read_bench(bench_source("llava-wild"), folder / "llava-bench-itw")
    assert bench.codes == ("en", "ja")
    assert len(bench.items) == 120
    assert len({item.image for item in bench.items}) == 24
    assert bench.items[60].question == "写真の有名な観光地の名前は何ですか？"
    assert bench.items[60].context[0].startswith("ハワイ")
    check_images(bench)
    english = read_bench(bench_source("llava-wild-english"), folder / "llava-bench-itw" / "en")
    assert [i.question for i in english.items] == [i.question for i in bench.items[:60]]
    coco = read_bench(bench_source("llava-coco"), folder / "llava-coco-qa90")
    assert coco.codes == ("en", "ja")
    assert len(coco.items) == 180
    assert {c: sum(i.category == c for i in coco.items) for c in coco.categories} == {
        "conv": 60,
        "detail": 60,
        "complex": 60,
    }
    assert all(item.objects for item in coco.items[:90])
    assert coco.items[90].references[0].startswith("画像の2つのスーツケース")


def test_every_language_has_a_folder_name():
    names = {language.name.lower() for language in languages.every()}
    assert len(names) == len(languages.codes())
    assert Path("urdu").name in names
