from pathlib import Path

import pytest

from palo.errors import ConfigError
from palo.translate.backends.local_model import LocalTranslation, LocalTranslator
from palo.translate.backends.local_worker import (
    LocalModel,
    TaughtModel,
    kind_of,
    reads_and_writes_apart,
)
from palo.translate.learning.local_translator import translate_texts

TEXTS = ("What is it? It is a cat.\n\n- a dog", "A red car", "  \n", "I see it.")


def load(folder, adapter=None, batch_size=3):
    return LocalModel(folder, adapter, batch_size=batch_size, max_new_tokens=6)


def asked(language="urd_Arab", texts=TEXTS):
    return [["eng_Latn", language, text] for text in texts]


def chats():
    return [[{"role": "user", "content": text}] for text in ("a", "a longer one", "What is it?")]


def test_a_sequence_to_sequence_model_translates_sentence_by_sentence(local_translators):
    model = load(local_translators / "nllb")
    made = model.translate(asked())
    alone = [load(local_translators / "nllb", batch_size=1).translate([one])[0] for one in asked()]
    assert made == alone
    assert made[1].strip()
    assert made[2] == TEXTS[2]
    sentences = ["What is it?", "It is a cat.", "- a dog"]
    first, second, third = model.translate(asked(texts=sentences))
    assert made[0] == f"{first} {second}\n\n{third}"


def test_it_is_told_the_language_wanted(local_translators):
    model = load(local_translators / "nllb")
    both = model.translate([*asked(), *asked("spa_Latn")])
    assert both[: len(TEXTS)] == model.translate(asked())
    assert both[: len(TEXTS)] != both[len(TEXTS) :]
    with pytest.raises(ConfigError, match="doesn't know a language: xyz_Latn"):
        model.translate(asked("xyz_Latn"))


def test_a_causal_model_answers_the_chat_whatever_it_is_batched_with(local_translators):
    model = load(local_translators / "causal")
    made = model.translate(chats())
    assert made == [model.translate([chat])[0] for chat in chats()]
    assert len(set(made)) > 1
    assert all(len(text) <= 6 for text in made)


def test_an_adapter_changes_what_it_says(local_translators, local_adapter):
    adapted = load(local_translators / "causal", local_adapter)
    assert adapted.translate(chats()) != load(local_translators / "causal").translate(chats())


def test_folders_that_hold_no_model_are_told(local_translators, tmp_path):
    assert reads_and_writes_apart(local_translators / "nllb")
    assert not reads_and_writes_apart(local_translators / "causal")
    with pytest.raises(ConfigError, match="holds no model"):
        reads_and_writes_apart(tmp_path)
    with pytest.raises(ConfigError, match="can't be loaded"):
        load(local_translators / "causal", tmp_path)


def test_a_translator_names_its_model_its_adapter_and_its_prompt(local_translators):
    folder = local_translators / "causal"
    causal = LocalTranslator(LocalTranslation(folder=folder, adapter=Path("runs/mine")))
    assert causal.name == "causal+mine"
    assert causal.accepts_feedback
    assert causal.prompt_hash("ur")
    nllb = LocalTranslator(LocalTranslation(folder=local_translators / "nllb"))
    assert (nllb.name, nllb.accepts_feedback, nllb.prompt_hash("ur")) == ("nllb", False, "")


def test_a_model_that_was_taught_is_asked_as_it_was_taught(finished_stage, trained):
    stage = finished_stage
    assert kind_of(stage) == "stage"
    translator = LocalTranslator(LocalTranslation(folder=stage))
    assert (translator.accepts_feedback, translator.prompt_hash("ur")) == (False, "")
    model = TaughtModel(stage, batch_size=2, max_new_tokens=4)
    asked = [["a red circle", "ur"], ["two blue squares", "hi"], ["a red circle", "bn"]]
    expected = translate_texts(
        trained, [tuple(one) for one in asked], max_new_tokens=4, batch_size=1
    )
    assert model.translate(asked) == expected
    with pytest.raises(ConfigError, match="has its own adapter"):
        LocalTranslator(LocalTranslation(folder=stage, adapter=stage / "adapter"))
