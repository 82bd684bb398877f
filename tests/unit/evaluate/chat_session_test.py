from contextlib import closing

import pytest

from palo.checkpoint.load import load_trained
from palo.errors import DataError, ImageError
from palo.evaluate.chat_session import ChatSession
from palo.evaluate.generation import AnswerSettings, generate_texts, prompt_ids
from palo.text.messages import Conversation, Turn


@pytest.fixture
def session(trained):
    return ChatSession(trained, max_new_tokens=12)


def test_the_pieces_are_the_answer_that_evaluation_gets(session, trained, asked):
    session.show(asked[0].image)
    pieces = list(session.ask(asked[0].question))
    (answer,) = generate_texts(trained, asked[:1], AnswerSettings(max_new_tokens=12))
    assert len(pieces) > 1
    # Evaluation writes what is no character as U+FFFD; a chat leaves it out.
    assert "".join(pieces) == answer.replace("\ufffd", "")


def test_earlier_turns_are_part_of_the_prompt(session, trained, asked, monkeypatch):
    seen = []

    def recording(trained, conversation):
        seen.append(conversation)
        return prompt_ids(trained, conversation)

    monkeypatch.setattr("palo.evaluate.chat_session.prompt_ids", recording)
    session.show(asked[0].image)
    first = "".join(session.ask("what?"))
    second = "".join(session.ask("why?"))
    turns = (Turn("user", "what?", 1), Turn("assistant", first), Turn("user", "why?"))
    assert seen[1] == Conversation(turns)
    session.restart()
    assert "".join(session.ask("what?")) == first
    assert seen[2] == Conversation(turns[:1])
    assert second


def test_another_image_starts_anew(session, image_files):
    session.show(image_files[0])
    one = "".join(session.ask("a red circle"))
    session.show(image_files[1])
    other = "".join(session.ask("a red circle"))
    session.show(image_files[0])
    assert "".join(session.ask("a red circle")) == one
    assert one != other


def test_an_answer_that_was_ended_early_is_remembered_as_far_as_it_came(session):
    with closing(session.ask("a red circle")) as pieces:
        said = next(pieces)
    assert session._turns == [Turn("user", "a red circle"), Turn("assistant", said)]
    assert "".join(session.ask("go on"))


def test_a_stop_in_the_model_is_remembered_too(session, monkeypatch):
    calls = []
    step = session._scheduler.step

    def interrupted():
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return step()

    monkeypatch.setattr(session._scheduler, "step", interrupted)
    said = []
    with pytest.raises(KeyboardInterrupt):
        said.extend(session.ask("a red circle"))
    assert session._turns[-1].text == "".join(said) != ""


def test_a_bad_image_leaves_the_old_one(session, image_files, tmp_path):
    session.show(image_files[0])
    before = session._features
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageError, match=r"bad\.png"):
        session.show(tmp_path / "bad.png")
    assert session._features is before


def test_a_question_that_is_too_long_is_not_remembered(session):
    with pytest.raises(DataError, match="too long"):
        list(session.ask("a red circle " * 200))
    assert session._turns == []
    assert "".join(session.ask("a red circle"))


def test_a_pretrain_stage_describes_one_image_at_a_time(caption_stage, image_files):
    session = ChatSession(load_trained(caption_stage), max_new_tokens=6)
    with pytest.raises(DataError, match="only describes images"):
        list(session.ask("what?"))
    session.show(image_files[0])
    assert list(session.ask("what?")) == list(session.ask("and now?"))
