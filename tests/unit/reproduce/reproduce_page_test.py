"""The page of a reproduction: every text is plain, and the languages that matter come first."""

import json
import re

import pytest

from palo import config, storage
from palo.errors import StorageError
from palo.reproduce import reproduce_page as reproduce_page_module
from palo.reproduce.answers import AskedQuestion, GivenAnswer, GivenAnswers, answers_file
from palo.reproduce.exporting import lineage_file
from palo.reproduce.record import StepRecord, read_reproduction
from palo.reproduce.reproduce_page import reproduce_page, write_page
from palo.reproduce.settings import STEPS

EVIL = "<script>alert(1)</script>"
CODES = ("en", "zh", "hi", "es", "fr", "ar", "bn", "ru", "ur", "ja")


@pytest.fixture
def record(recipe):
    found = read_reproduction(recipe.output, "nano", STEPS)
    running = StepRecord(name="pretrain", state="running", note=EVIL, attempts=2, started=1.0)
    return found.with_step(running)


def shown(recipe, record, **values):
    return reproduce_page(recipe, record, **({"is_running": True, "said": ""} | values))


def test_a_running_step_is_shown_with_its_latest_lines_and_the_page_loads_again(recipe, record):
    said = "\n".join(f"step {number}" for number in range(40)) + EVIL
    text = shown(recipe, record, said=said)
    assert 'http-equiv="refresh" content="15"' in text
    assert "step 39" in text
    assert "step 5\n" not in text
    assert 'href="reproduce/logs/pretrain.log"' in text
    assert EVIL not in text


def test_what_ended_without_being_done_is_not_shown_as_running(recipe, record):
    text = shown(recipe, record, is_running=False)
    assert "It isn&#39;t running now" in text
    assert "refresh" not in text


def test_results_begin_with_arabic_hindi_bengali_and_urdu(recipe, record):
    accuracy = dict.fromkeys(CODES, 0.5) | {"ur": 0.25}
    report = {
        "accuracy": accuracy,
        "accuracy_interval": {code: [0.25, 0.75] for code in CODES},
        "num_questions": 100,
        "num_questions_by_language": dict.fromkeys(CODES, 10),
        "accuracy_without_image_by_language": dict.fromkeys(CODES, 0.1),
    }
    storage.write_json(recipe.output / "report.json", report)
    text = shown(recipe, record)
    names = re.findall(r'<th scope="row">(\w+)(?: <span lang="(\w\w)")?', text)
    codes = [code for _, code in names if code]
    assert set(codes[:4]) == {"ar", "hi", "bn", "ur"}
    assert "25.0% to 75.0%" in text


def test_answers_are_shown_beside_their_image_in_their_direction(recipe, record):
    image = recipe.output / "scenes/images/0000000.png"
    asked = AskedQuestion(language="ur", question="کیا؟", image=image, right_answer="ہاں")
    given = GivenAnswer(
        asked=asked, answer=EVIL, model="palo-7b", request_id="req-7", is_right=False,
        prompt_tokens=1, completion_tokens=1,
    )  # fmt: skip
    answers = GivenAnswers(endpoint="http://127.0.0.1:1", lineage_id="palo-0", answers=(given,))
    storage.write_json(answers_file(recipe.output), config.to_dict(answers))
    text = shown(recipe, record)
    assert 'src="data:image/png;base64,' in text
    assert '<div class="words" lang="ur" dir="auto">کیا؟</div>' in text
    assert "request req-7" in text
    assert EVIL not in text
    image.unlink()
    assert '<div class="no-image">0000000.png</div>' in shown(recipe, record)


def test_the_lineage_and_the_pages_of_the_stages_are_there(recipe, record):
    storage.write_text(lineage_file(recipe.output), f"model {EVIL}\n")
    storage.write_text(recipe.output / "finetune" / "run.html", "")
    text = shown(recipe, record)
    assert "<pre" in text
    assert EVIL not in text
    assert 'href="finetune/run.html"' in text
    assert "pretrain/run.html" not in text


def test_a_report_of_captions_is_shown(recipe, record):
    losses = {"before": {"loss": 9.5}, "after": {"loss": 2.5}}
    storage.write_json(recipe.output / "report.json", {"caption_loss": losses})
    assert "2.5" in shown(recipe, record)
    assert json.loads((recipe.output / "report.json").read_text())["caption_loss"] == losses


def test_a_store_that_is_away_never_ends_a_step(recipe, record, monkeypatch):
    def away(*_):
        raise StorageError("the store is away")

    write_page(recipe, record, is_running=True, said="")
    before = (recipe.output / "reproduce.html").read_text(encoding="utf-8")
    monkeypatch.setattr(reproduce_page_module.storage, "write_text", away)
    write_page(recipe, record, is_running=False, said="")
    assert (recipe.output / "reproduce.html").read_text(encoding="utf-8") == before
