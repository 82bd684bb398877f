import pytest

from palo.text.messages import Conversation, Turn

QUESTION, ANSWER = Turn("user", "What is it?", num_images=1), Turn("assistant", "A boat.")


def test_rounds_pair_questions_with_answers():
    conversation = Conversation((QUESTION, ANSWER, Turn("user", "Sure?"), Turn("assistant", "")))
    assert [(user.text, answer.text) for user, answer in conversation.rounds()] == [
        ("What is it?", "A boat."),
        ("Sure?", ""),
    ]
    assert conversation.num_images == 1
    assert conversation.is_answered


def test_a_last_question_belongs_to_no_round():
    conversation = Conversation((QUESTION, ANSWER, Turn("user", "Sure?")))
    assert len(list(conversation.rounds())) == 1
    assert not conversation.is_answered


@pytest.mark.parametrize("turns", [(), (ANSWER,), (QUESTION, QUESTION), (QUESTION, ANSWER, ANSWER)])
def test_turns_must_alternate_from_the_user(turns):
    with pytest.raises(ValueError, match="turn"):
        Conversation(turns)


@pytest.mark.parametrize(
    ("role", "num_images"), [("system", 0), ("gpt", 0), ("assistant", 1), ("user", -1)]
)
def test_a_wrong_turn_is_refused(role, num_images):
    with pytest.raises(ValueError, match="turn"):
        Turn(role, "x", num_images=num_images)
