import json

import pytest
from tests.unit.evaluate.benches.conftest import write_lines

from palo.errors import DataError
from palo.evaluate.benches.bench import bench_source, check_images, read_bench
from palo.scenes.corpus import SceneCorpusConfig, write_scenes


def read(name, folder, *codes):
    return read_bench(bench_source(name), folder, codes)


def test_xgqa_asks_for_english_words(tmp_path):
    rows = {
        "201": {
            "imageId": "n1",
            "question": "কে উড়ছে?",
            "answer": "bird",
            "types": {"structural": "query"},
        }
    }
    path = tmp_path / "testdev_balanced_questions_bn.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    (item,) = read("xgqa", tmp_path).items
    assert (item.language, item.expected_language, item.category) == ("bn", "en", "query")
    assert item.question.startswith("কে উড়ছে?\n")
    assert item.references == ("bird",)
    path.write_text(json.dumps({"201": {"question": "x"}}), encoding="utf-8")
    with pytest.raises(DataError, match="bn question 201 of xGQA is incomplete"):
        read("xgqa", tmp_path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="is not an object of questions by id"):
        read("xgqa", tmp_path)


def test_maxm_has_several_right_answers(tmp_path):
    pair = {"question_id": "q", "question": "कहाँ?", "answers": ["घर", "मकान"]}
    path = tmp_path / "maxm_v1_hi.json"
    path.write_text(json.dumps({"annotations": [{"image_id": "a", "qa_pairs": [pair]}]}), "utf-8")
    (item,) = read("maxm", tmp_path).items
    assert item.references == ("घर", "मकान")
    assert item.image == tmp_path / "images" / "a.jpg"
    path.write_text(json.dumps({"annotations": [{}]}), "utf-8")
    with pytest.raises(DataError, match="is not a file of MaXM"):
        read("maxm", tmp_path)


def test_pope_asks_for_yes_and_no_in_the_files_that_are_there(tmp_path):
    row = {"question_id": 1, "image": "a.jpg", "text": "کیا کتا ہے؟", "label": "no"}
    write_lines(tmp_path / "coco_pope_popular_ur.json", [row])
    write_lines(tmp_path / "coco_pope_adversarial_ur.json", [row | {"label": "Yes"}])
    items = read("pope", tmp_path).items
    assert [(i.key, i.category, i.references) for i in items] == [
        ("ur/popular-1", "popular", ("no",)),
        ("ur/adversarial-1", "adversarial", ("yes",)),
    ]
    assert all(item.yes_no for item in items)
    write_lines(tmp_path / "coco_pope_popular_ur.json", [row | {"label": "maybe"}])
    with pytest.raises(DataError, match="neither yes nor no"):
        read("pope", tmp_path)


def test_captions_of_people_in_the_languages_that_a_line_has(tmp_path):
    line = {"image/key": "k", "ar": {"caption": ["قط", "قطة"]}, "en": {"caption": ["a cat"]}}
    write_lines(tmp_path / "captions.jsonl", [line])
    bench = read("xm3600", tmp_path)
    assert bench.codes == ("en", "ar")
    assert bench.items[1].references == ("قط", "قطة")
    assert "Arabic" in bench.items[1].question
    write_lines(tmp_path / "captions.jsonl", [line | {"ar": "x"}])
    with pytest.raises(DataError, match="has no texts in caption"):
        read("xm3600", tmp_path)


def test_a_folder_of_ones_own(tmp_path):
    row = {"id": "1", "language": "ur", "image": "a.png", "question": "کیا؟", "answer": "گھر"}
    write_lines(tmp_path / "questions.jsonl", [row, row | {"id": "2", "objects": ["house"]}])
    first, second = read("own", tmp_path).items
    assert (first.category, first.objects, first.references) == ("question", None, ("گھر",))
    assert second.objects == ("house",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": "xx"}, "unknown language"),
        ({"langauge": "ur"}, "unknown fields"),
        ({"answer": []}, "lacks words"),
        ({"answer": 3}, "has no texts in answer"),
        ({"image": "/etc/passwd"}, "outside its bench"),
        ({"question": ""}, "lacks text for question"),
    ],
)
def test_a_wrong_line_of_ones_own_is_told(tmp_path, change, message):
    row = {"id": "1", "language": "ur", "image": "a.png", "question": "کیا؟", "answer": "گھر"}
    write_lines(tmp_path / "questions.jsonl", [row | change])
    with pytest.raises(DataError, match=message):
        read("own", tmp_path)


def test_two_questions_of_one_id_are_told(tmp_path):
    row = {"id": "1", "language": "ur", "image": "a.png", "question": "کیا؟", "answer": "گھر"}
    write_lines(tmp_path / "questions.jsonl", [row, row])
    with pytest.raises(DataError, match="two ur questions of one id: 1"):
        read("own", tmp_path)


def test_the_drawn_scenes_are_a_bench(tmp_path):
    config = SceneCorpusConfig(num_train_scenes=1, num_heldout_scenes=1, num_heldout_questions=2)
    write_scenes(tmp_path, config)
    bench = read("scenes", tmp_path)
    assert len(bench.codes) == 10
    assert len(bench.items) == 20
    check_images(bench)
