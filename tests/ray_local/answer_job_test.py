"""Answers from Ray Data's actors are those of one plain process."""

from dataclasses import replace

import pytest

from palo.errors import ConfigError, DataError, ImageError, ResourceError
from palo.evaluate.answers import from_checkpoint
from palo.evaluate.answers.from_checkpoint import generate_with_workers
from palo.evaluate.generation import AnswerSettings, generate_texts

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

SETTINGS = AnswerSettings(max_new_tokens=8, batch_size=2)


def answer_questions(stage, items, variants, **settings):
    """Answers the same questions with each variant; returns the texts in their order."""
    texts = {name: [""] * len(items) for name in variants}

    def on_answer(name, position, generation):
        texts[name][position] = generation.text

    asked = dict.fromkeys(variants, items)
    generate_with_workers(stage, asked, variants, on_answer=on_answer, **settings)
    return texts


def test_two_workers_give_the_answers_in_order(finished_stage, trained, asked, capsys):
    variants = {"seen": SETTINGS, "unseen": replace(SETTINGS, withhold_image=True)}
    answers = answer_questions(finished_stage, asked, variants, num_workers=2)
    assert answers == {name: generate_texts(trained, asked, v) for name, v in variants.items()}
    assert answers["seen"] != answers["unseen"]
    assert "answers: 100%" in capsys.readouterr().err


def test_a_bad_image_comes_back_as_one_clear_error(finished_stage, asked, tmp_path):
    path = tmp_path / "words.png"
    path.write_text("not an image")
    with pytest.raises(ImageError, match=r"words\.png") as caught:
        answer_questions(finished_stage, [replace(asked[0], image=path)], {"seen": SETTINGS})
    assert "\n" not in str(caught.value)


def test_workers_that_die_each_time_end_the_job(finished_stage, asked, monkeypatch):
    class Dying:
        def __init__(self, *args):
            pass

        def __call__(self, batch):
            import os

            os._exit(1)

    monkeypatch.setattr(from_checkpoint, "_AnswerWorker", Dying)
    with pytest.raises(ResourceError, match="workers that answer were lost"):
        answer_questions(finished_stage, asked[:1], {"seen": SETTINGS})


def test_what_is_wrong_from_the_start_is_told_before_anything_runs(finished_stage, asked, tmp_path):
    with pytest.raises(DataError, match="no finished model here"):
        answer_questions(tmp_path, asked, {"seen": SETTINGS})
    with pytest.raises(ConfigError, match="batch_size is 0"):
        answer_questions(finished_stage, asked, {"seen": replace(SETTINGS, batch_size=0)})
    with pytest.raises(ResourceError, match=r"no room for 99 workers that answer: .*4 CPUs"):
        answer_questions(finished_stage, asked, {"seen": SETTINGS}, num_workers=99)
