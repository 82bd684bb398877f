"""The deploy step, against a server that speaks OpenAI's protocol."""

import json
from dataclasses import replace

import pytest

from palo import storage
from palo.client import EndpointError
from palo.errors import ConfigError, DataError, ResourceError
from palo.recipes import RECIPES
from palo.reproduce.answers import read_answers
from palo.reproduce.deployment import deploy
from palo.reproduce.questions import questions_of
from palo.reproduce.settings import DeploySettings
from palo.reproduce.steps import export_folder

LINEAGE = "palo-0123456789ab"
LANGUAGES = ("en", "ar", "hi", "bn", "ur")


@pytest.fixture
def settings(chat_server, monkeypatch):
    chat_server.key = "sk-right"
    monkeypatch.setenv("PALO_API_KEY", "sk-right")
    return DeploySettings(endpoint=chat_server.url, wait_s=0.1)


def test_answers_are_kept_with_their_requests(recipe, settings, chat_server, tmp_path, capsys):
    deploy(recipe, settings, tmp_path / "serve.py")
    given = read_answers(recipe.output)
    assert given.endpoint == chat_server.url
    assert tuple(one.asked.language for one in given.answers) == LANGUAGES
    for one, asked in zip(given.answers, chat_server.asked, strict=True):
        assert one.answer == f"«{one.asked.question}»"
        assert (one.request_id, one.is_right, one.prompt_tokens) == ("req-1", False, 12)
        assert asked["language"] == one.asked.language
        assert asked["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png")
    assert "sk-right" not in capsys.readouterr().out + json.dumps(
        storage.read_json(recipe.output / "reproduce" / "answers.json")
    )


def test_a_right_answer_is_seen(recipe, settings, tmp_path):
    image = tmp_path / "photo.png"
    storage.write_bytes(image, (recipe.output / "scenes/images/0000000.png").read_bytes())
    asked = replace(settings, image=image, question="say a red star")
    deploy(recipe, asked, tmp_path / "serve.py")
    (one,) = read_answers(recipe.output).answers
    assert (one.answer, one.is_right) == ("a red star", None)


def test_an_endpoint_without_the_model_is_told_after_the_wait(recipe, settings, tmp_path):
    other = replace(recipe, output=recipe.output.rename(tmp_path / "new"))
    with pytest.raises(
        ResourceError, match=r"doesn't serve new after 0 s.*serves palo-7b, palo-mobile"
    ):
        deploy(other, settings, tmp_path / "serve.py")


def exported(recipe, lineage):
    record = {"exported_from": "runs/palo-7b/finetune", "id": lineage}
    storage.write_json(storage.ensure_folder(export_folder(recipe)) / "lineage.json", record)


def test_a_model_is_known_by_its_lineage_under_another_name(
    recipe, settings, chat_server, tmp_path
):
    """Regression: an endpoint that follows the newest run names it palo, and was waited for."""
    exported(recipe, LINEAGE)
    chat_server.models, chat_server.lineages = ("other", "palo"), {"palo": LINEAGE}
    deploy(recipe, settings, tmp_path / "serve.py")
    assert {asked["model"] for asked in chat_server.asked} == {"palo"}
    assert read_answers(recipe.output).lineage_id == LINEAGE


def test_a_run_as_it_was_trained_before_is_not_the_run(recipe, settings, chat_server, tmp_path):
    exported(recipe, LINEAGE)
    chat_server.lineages = {"palo-7b": "palo-ba9876543210"}
    with pytest.raises(ResourceError, match=r"serves palo-7b \(palo-ba9876543210\), palo-mobile"):
        deploy(recipe, settings, tmp_path / "serve.py")
    assert not chat_server.asked


def test_a_wrong_key_is_told_at_once(recipe, settings, monkeypatch, tmp_path):
    monkeypatch.setenv("PALO_API_KEY", "sk-wrong")
    with pytest.raises(EndpointError) as told:
        deploy(recipe, replace(settings, wait_s=600.0), tmp_path / "serve.py")
    assert "sk-wrong" not in str(told.value)


def test_a_missing_key_is_told(recipe, settings, monkeypatch, tmp_path):
    monkeypatch.delenv("PALO_API_KEY")
    with pytest.raises(ConfigError, match="PALO_API_KEY is not set"):
        deploy(recipe, settings, tmp_path / "serve.py")


def test_an_endpoint_of_its_own_that_ends_is_told(recipe, tmp_path):
    serve = tmp_path / "serve.py"
    storage.write_text(serve, "import sys\nsys.exit('error: no such folder')\n")
    with pytest.raises(
        ResourceError, match=r"ended before it served: error: no such folder \(exit code 1\)"
    ):
        deploy(recipe, DeploySettings(), serve)


def test_one_image_is_asked_about_in_every_language(recipe):
    asked = questions_of(recipe, DeploySettings(languages=("ur", "en")))
    assert [one.language for one in asked] == ["ur", "en"]
    assert len({one.image for one in asked}) == 1
    assert all(one.right_answer for one in asked)


def test_no_question_in_a_language_is_told(recipe):
    rows = storage.read_text(recipe.output / "scenes/heldout/questions.jsonl").splitlines()
    english = [row for row in rows if json.loads(row)["language"] == "en"]
    storage.write_text(recipe.output / "scenes/heldout/questions.jsonl", "\n".join(english) + "\n")
    with pytest.raises(DataError, match="no held-out question in these languages: ur"):
        questions_of(recipe, DeploySettings(languages=("ur",)))


def test_held_out_photos_are_asked_about_in_english(tmp_path, recipe):
    mini = RECIPES["mini"]()
    folder = recipe.output / "scenes"
    row = {"image": "images/0000000.png", "caption": "A drawn scene."}
    storage.write_text(tmp_path / "photos.jsonl", json.dumps(row) + "\n")
    data = replace(mini.data, photos=tmp_path / "photos.jsonl", photos_images=folder)
    (asked,) = questions_of(replace(mini, data=data), DeploySettings())
    assert (asked.language, asked.image.name) == ("en", "0000000.png")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"port": 70_000}, "port is 70000"),
        ({"wait_s": 0.0}, "wait_s is 0.0"),
        ({"question": "What is it?"}, "image and question go together"),
        ({"languages": ("xx",)}, "'xx' is no known language"),
        ({"endpoint": "http://me:pw@host/v1"}, "url holds a user or password"),
    ],
)
def test_wrong_settings_are_told(wrong, words):
    assert words in " ".join(DeploySettings(**wrong).faults())
