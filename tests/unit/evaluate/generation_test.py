from dataclasses import replace

import pytest
import torch

from palo import config
from palo.errors import ConfigError, DataError, ImageError
from palo.evaluate import generation
from palo.evaluate.generation import (
    AnswerSettings,
    chunks_by_image,
    generate_texts,
    image_features,
    preprocessing_of,
    prompt_ids,
)
from palo.text.encoding import expand_sentinels, stop_ids
from palo.text.messages import Conversation, Turn


def answers(trained, asked, **changes):
    return generate_texts(trained, asked, AnswerSettings(max_new_tokens=12, **changes))


def test_a_batch_answers_as_each_question_alone_would(trained, asked):
    alone = [answers(trained, [question])[0] for question in asked]
    assert len(set(alone)) > 6, "answers that are all alike show nothing"
    assert answers(trained, asked, batch_size=5) == alone
    assert answers(trained, asked, batch_size=32) == alone


def test_answers_equal_those_of_generate(trained, asked):
    stops = stop_ids(trained.template, trained.tokenizer)
    preprocessing = preprocessing_of(trained)
    for question, answer in zip(asked, answers(trained, asked), strict=True):
        ids = prompt_ids(trained, Conversation((Turn("user", question.question, 1),)))
        ids = expand_sentinels(ids, trained.model.config.tokens_per_image)
        row = trained.model.generate(
            torch.tensor([ids]),
            features=image_features(trained.model, preprocessing, [question.image]),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=list(stops),
            pad_token_id=trained.tokenizer.pad_id,
        )[0, len(ids) :]
        assert answer == trained.tokenizer.decode([i for i in row.tolist() if i not in stops])


def test_the_image_is_looked_at_unless_it_is_withheld(trained, asked, image_files):
    same_words = [replace(asked[0], image=path) for path in image_files]
    assert len(set(answers(trained, same_words))) == 3
    assert len(set(answers(trained, same_words, withhold_image=True))) == 1


def test_without_an_image_no_file_is_read(trained, asked, tmp_path):
    question = replace(asked[0], image=tmp_path / "missing.png")
    assert answers(trained, [question], withhold_image=True)


def test_each_image_is_encoded_once(trained, asked, monkeypatch):
    encoded = []
    original = generation.image_features

    def recording(model, preprocessing, paths):
        encoded.extend(paths)
        return original(model, preprocessing, paths)

    monkeypatch.setattr(generation, "image_features", recording)
    monkeypatch.setattr(generation, "_BATCHES_A_CHUNK", 1)
    answers(trained, asked, batch_size=2)
    assert sorted(encoded) == sorted({question.image for question in asked})


def test_an_image_is_in_one_chunk_only(asked):
    chunks = chunks_by_image(asked, 3)
    assert sorted(position for chunk in chunks for position in chunk) == list(range(12))
    assert [{asked[i].image for i in chunk} for chunk in chunks] == [
        {path} for path in dict.fromkeys(question.image for question in asked)
    ]
    assert chunks_by_image(asked, 100) == [[*range(0, 12, 3), *range(1, 12, 3), *range(2, 12, 3)]]


def test_an_image_that_is_none_is_named(trained, asked, tmp_path):
    path = tmp_path / "words.png"
    path.write_text("not an image")
    with pytest.raises(ImageError, match=r"words\.png"):
        answers(trained, [replace(asked[0], image=path)])


def test_a_question_that_is_too_long_is_refused(trained, asked):
    with pytest.raises(DataError, match="too long for the model"):
        answers(trained, [replace(asked[0], question="a red circle " * 200)])


def test_no_question_has_no_answer(trained):
    assert answers(trained, []) == []


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"max_new_tokens is 0.*batch_size is -1"):
        config.check(AnswerSettings(max_new_tokens=0, batch_size=-1))
