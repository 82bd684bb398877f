import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.unit.evaluate.benches.conftest import write_lines

from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, DataError, ImageError
from palo.evaluate.answers.answer_cache import AnswerCache, AnswerSource
from palo.evaluate.answers.from_files import read_answer_file
from palo.evaluate.answers.over_http import HttpAnswers, answer_over_http
from palo.evaluate.benches.bench import bench_source, read_bench


@pytest.fixture
def bench(tmp_path):
    """Two questions in Urdu and one in English about two images."""
    for number, colour in enumerate(("red", "blue")):
        path = tmp_path / "images" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), colour).save(path)
    rows = [
        {"id": "1", "language": "ur", "image": "0.png", "question": "کیا؟", "answer": "گھر"},
        {"id": "2", "language": "ur", "image": "1.png", "question": "کہاں؟", "answer": "یہاں"},
        {"id": "1", "language": "en", "image": "1.png", "question": "What?", "answer": "a"},
    ]
    write_lines(tmp_path / "questions.jsonl", rows)
    return read_bench(bench_source("own"), tmp_path)


def server_settings(server, endpoint=None, **changes):
    own = {"url": server.url, "model": "m", "first_wait_s": 0.0, "attempts": 1}
    return HttpAnswers(endpoint=EndpointSettings(**(own | (endpoint or {}))), **changes)


def test_a_server_gets_image_and_words_and_its_answers_are_kept(completions, bench, tmp_path):
    completions.answer = lambda body, number: f"to {body['messages'][0]['content'][1]['text']}"
    kept = tmp_path / "answers.jsonl"
    settings = server_settings(completions, name_language=True)
    found = answer_over_http(bench, "a model", settings, kept)
    assert {key: answer.text for key, answer in found.answers.items()} == {
        "en/1": "to What?",
        "ur/1": "to کیا؟",
        "ur/2": "to کہاں؟",
    }
    assert found.answers["ur/1"].finish_reason == "stop"
    body = next(b for b in completions.bodies if "کیا؟" in json.dumps(b, ensure_ascii=False))
    uri = body["messages"][0]["content"][0]["image_url"]["url"]
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == (tmp_path / "images" / "0.png").read_bytes()
    assert (body["language"], body["temperature"]) == ("ur", 0.0)
    again = answer_over_http(bench, "a model", settings, kept)
    assert (again.num_cached, again.num_asked, again.answers) == (3, 0, found.answers)
    assert len(completions.bodies) == 3


def test_what_failed_is_asked_again_and_nothing_else(completions, bench, tmp_path):
    kept = tmp_path / "answers.jsonl"
    completions.answer = lambda body, number: (500, {}) if number == 1 else "x"
    settings = server_settings(completions, {"in_flight": 1})
    first = answer_over_http(bench, "m", settings, kept)
    assert first.unanswered == {"ur/1": "server_error"}
    second = answer_over_http(bench, "m", settings, kept)
    assert (second.num_asked, len(second.answers), second.unanswered) == (1, 3, {})
    assert "language" not in completions.bodies[0]


@pytest.mark.parametrize(
    "change", [{"max_tokens": 5}, {"temperature": 1.0}, {"endpoint": {"model": "n"}}]
)
def test_another_model_or_setting_answers_anew(completions, bench, tmp_path, change):
    kept = tmp_path / "answers.jsonl"
    answer_over_http(bench, "m", server_settings(completions), kept)
    other = answer_over_http(bench, "m", server_settings(completions, **change), kept)
    assert other.num_asked == 3


def test_another_image_under_the_same_name_is_another_question(bench, tmp_path):
    source = AnswerSource(name="m", identity=["a"])
    with AnswerCache(bench, source, tmp_path / "k") as cache:
        for item in cache.open:
            cache.add(item, "x")
    Image.new("RGB", (4, 4), "green").save(tmp_path / "images" / "0.png")
    assert [item.key for item in AnswerCache(bench, source, tmp_path / "k").open] == ["ur/1"]


def test_missing_images_and_files_that_are_none_are_told(completions, bench, tmp_path):
    (tmp_path / "images" / "1.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="is no image"):
        answer_over_http(bench, "m", server_settings(completions), tmp_path / "k")
    (tmp_path / "images" / "1.png").unlink()
    with pytest.raises(ImageError, match="1 of 2 images are missing"):
        answer_over_http(bench, "m", server_settings(completions), tmp_path / "k")


def urdu(bench):
    return [item for item in bench.items if item.language == "ur"]


def lines(path: Path, *rows):
    write_lines(path, [{"model_id": "llava", **row} for row in rows])
    return path


def test_a_shuffled_file_of_answers_is_read_by_id(bench, tmp_path):
    path = lines(
        tmp_path / "a.jsonl",
        {"question_id": 2, "prompt": "<image>\nکہاں؟", "text": "وہاں"},
        {"question_id": "1", "text": "گھر"},
    )
    found = read_answer_file(path, urdu(bench))
    assert {key: answer.text for key, answer in found.answers.items()} == {
        "ur/2": "وہاں",
        "ur/1": "گھر",
    }
    assert found.defects == {}


def test_stale_and_foreign_lines_are_counted(bench, tmp_path):
    path = lines(
        tmp_path / "a.jsonl",
        {"question_id": 1, "prompt": "کیا؟", "text": "گھر"},
        {"question_id": 2, "prompt": "کون؟", "text": "x"},
        {"question_id": 9, "text": "x"},
    )
    found = read_answer_file(path, urdu(bench))
    assert list(found.answers) == ["ur/1"]
    assert found.defects == {
        "answers to other words than the question's": 1,
        "ids of no question": 1,
        "questions without an answer": 1,
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question_id": 1, "text": "x"}] * 2, "for the second time"),
        ([{"question_id": 1, "text": "x", "model_id": "b"}, {"question_id": 2, "text": "x"}],
         "more than one model: b, llava"),
        ([{"question_id": 7, "text": "x"}], "has no answer to this bench"),
        ([{"question_id": 1, "text": None}], "has no answer to this bench"),
        ([{"text": "x"}], "lacks text for question_id"),
    ],
)  # fmt: skip
def test_files_that_can_not_be_scored_are_told(bench, tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_answer_file(lines(tmp_path / "a.jsonl", *rows), urdu(bench))


def test_logs_of_lmms_eval_are_read_by_the_question_of_their_document(bench, tmp_path):
    rows = [
        {"doc_id": 7, "doc": {"question_id": 2}, "input": "کہاں؟", "filtered_resps": ["یہاں"]},
        {"doc_id": 1, "input": "کیا؟ ایک لفظ میں", "resps": [["گھر"]], "target": "گھر"},
    ]
    found = read_answer_file(lines(tmp_path / "log.jsonl", *rows), urdu(bench))
    assert {key: one.text for key, one in found.answers.items()} == {"ur/1": "گھر", "ur/2": "یہاں"}
    stale = rows[1] | {"input": "کون؟"}
    found = read_answer_file(lines(tmp_path / "log.jsonl", rows[0], stale), urdu(bench))
    assert found.defects["answers to other words than the question's"] == 1
    several = rows[1] | {"resps": [["a", "b"]]}
    with pytest.raises(DataError, match=r"line 1 .* has not one answer"):
        read_answer_file(lines(tmp_path / "log.jsonl", several), urdu(bench))


def test_a_log_without_documents_has_ids_in_its_scores(bench, tmp_path):
    rows = [
        {"doc_id": n, "filtered_resps": said, "accuracy": {"question_id": n + 1, "score": 1.0}}
        for n, said in enumerate(("گھر", "یہاں"))
    ]
    found = read_answer_file(lines(tmp_path / "log.jsonl", *rows), urdu(bench))
    assert {key: one.text for key, one in found.answers.items()} == {"ur/1": "گھر", "ur/2": "یہاں"}


def test_ids_of_one_of_popes_files_are_found_and_those_of_several_are_not_guessed(bench, tmp_path):
    items = [
        replace(item, question_id=f"random-{item.question_id}", category="random")
        for item in urdu(bench)
    ]
    rows = [{"doc_id": 0, "filtered_resps": "ہاں", "pope_accuracy": {"question_id": "1"}}]
    path = lines(tmp_path / "log.jsonl", *rows)
    assert list(read_answer_file(path, items).answers) == ["ur/random-1"]
    others = [replace(item, question_id="popular-1", category="popular") for item in items[:1]]
    with pytest.raises(DataError, match="no answer to this bench"):
        read_answer_file(path, items + others)


def test_a_log_with_a_row_for_each_filter_holds_each_answer_once(bench, tmp_path):
    """What a filter made of an answer is no answer: what the model said is."""
    rows = [
        {"doc_id": n, "filter": name, "resps": [[said]], "filtered_resps": [filtered]}
        for n, said in ((1, "گھر ہے۔"), (2, "یہاں"))
        for name, filtered in (("none", said), ("first-word", said.split()[0]))
    ]
    found = read_answer_file(lines(tmp_path / "log.jsonl", *rows), urdu(bench))
    assert {key: one.text for key, one in found.answers.items()} == {
        "ur/1": "گھر ہے۔", "ur/2": "یہاں",
    }  # fmt: skip
    assert found.defects == {}
    rows[1]["resps"] = [["another answer"]]
    with pytest.raises(DataError, match="for the second time"):
        read_answer_file(lines(tmp_path / "log.jsonl", *rows), urdu(bench))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("<think>گھر؟ نہیں۔</think>\n\nیہاں", "یہاں"),
        ("<think></think>یہاں", "یہاں"),
        ("It is here.</think>یہاں", "یہاں"),
        ("◁think▷hm◁/think▷یہاں", "یہاں"),
        ("<think>It is", ""),
        ("یہاں <b>", "یہاں <b>"),
        (" یہاں\n", " یہاں\n"),
    ],
)
def test_reasoning_is_no_part_of_an_answer(completions, bench, tmp_path, said, answer):
    path = lines(tmp_path / "a.jsonl", {"question_id": 1, "text": said})
    assert read_answer_file(path, urdu(bench)).answers["ur/1"].text == answer
    completions.answer = lambda body, number: said
    found = answer_over_http(bench, "m", server_settings(completions), tmp_path / "kept")
    assert {one.text for one in found.answers.values()} == {answer}


def test_what_a_server_refuses_is_told_and_not_kept(completions, bench, tmp_path):
    refusal = (400, {"error": {"message": "image too odd"}})
    completions.answer = lambda body, number: refusal if number == 1 else "here"
    settings = server_settings(completions, {"in_flight": 1})
    found = answer_over_http(bench, "m", settings, tmp_path / "kept")
    assert list(found.unanswered.values()) == ["refused"]
    assert "image too odd" in found.examples["refused"]
    completions.answer = lambda body, number: "here"
    assert answer_over_http(bench, "m", settings, tmp_path / "kept").unanswered == {}


def test_a_server_that_refuses_everything_ends_the_run(completions, bench, tmp_path):
    completions.answer = lambda body, number: (400, {"error": {"message": "no images here"}})
    with pytest.raises(ConfigError, match="no images here"):
        answer_over_http(bench, "m", server_settings(completions), tmp_path / "kept")
