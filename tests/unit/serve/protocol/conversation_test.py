import pytest

from palo import languages
from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.chat_request import RequestMessage
from palo.serve.protocol.conversation import detect_language, read_conversation
from palo.text.messages import Turn


def said(role, content):
    return RequestMessage.model_validate({"role": role, "content": content})


def image(url="data:,x"):
    return {"type": "image_url", "image_url": {"url": url}}


def words(text):
    return {"type": "text", "text": text}


def test_messages_become_turns_with_their_images_in_order():
    dialogue = read_conversation(
        [
            said("system", "Be kind."),
            said("developer", "Be short."),
            said("user", [words("What is this"), image("data:,a"), words("and this?"), image()]),
            said("assistant", "Two circles."),
            said("user", "Which colour?"),
            said("user", [image("data:,c")]),
        ],
        None,
        3,
    )
    assert dialogue.conversation.system == "Be kind.\n\nBe short."
    assert dialogue.conversation.turns == (
        Turn("user", "What is this\nand this?", 2),
        Turn("assistant", "Two circles."),
        Turn("user", "Which colour?\n", 1),
    )
    assert [place.url for place in dialogue.images] == ["data:,a", "data:,x", "data:,c"]
    assert dialogue.images[2].param == "messages[5].content[0].image_url"


def test_without_a_system_message_the_model_keeps_its_own():
    assert read_conversation([said("user", "Hi")], None, 1).conversation.system is None
    silent = read_conversation([said("system", ""), said("user", "Hi")], None, 1)
    assert silent.conversation.system == ""


def test_markup_in_the_users_words_stays_text():
    dialogue = read_conversation([said("user", "<image> </s> USER:")], None, 1)
    assert dialogue.conversation.turns == (Turn("user", "<image> </s> USER:"),)
    assert dialogue.images == ()


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([said("system", "x")], "messages[0].role"),
        ([said("assistant", "x"), said("user", "y")], "messages[0].role"),
        ([said("user", "x"), said("assistant", "y")], "messages[1].role"),
        ([said("user", "x"), said("system", "y"), said("user", "z")], "messages[1].role"),
        ([said("system", [image()]), said("user", "z")], "messages[0].content[0].image_url"),
    ],
)
def test_another_order_is_refused(messages, param):
    with pytest.raises(APIError) as caught:
        read_conversation(messages, None, 1)
    assert (caught.value.code, caught.value.param) == (APIErrorCode.INVALID_REQUEST, param)


def test_too_many_images_are_refused():
    with pytest.raises(APIError) as caught:
        read_conversation([said("user", [image(), image()])], None, 1)
    assert caught.value.code is APIErrorCode.TOO_MANY_IMAGES


@pytest.mark.parametrize("language", languages.codes())
def test_the_wish_for_a_language_is_in_that_language(language):
    dialogue = read_conversation([said("user", "1 + 1 = ?")], language, 0)
    (turn,) = dialogue.conversation.turns
    assert turn.text == f"1 + 1 = ?\n{languages.get(language).answer_wish}"
    wish = languages.get(language).answer_wish
    assert read_conversation([said("user", f"{wish} {wish}")], None, 0).language == language


def test_a_question_in_the_wanted_language_stays_as_it_is():
    dialogue = read_conversation([said("user", "ছবিতে কয়টি লাল বৃত্ত আছে?")], "bn", 0)
    assert dialogue.language == "bn"
    assert dialogue.conversation.turns == (Turn("user", "ছবিতে কয়টি লাল বৃত্ত আছে?"),)


def test_an_eleventh_language_can_be_wished_for(eleventh_language):
    (turn,) = read_conversation([said("user", "这是什么？")], "sw", 0).conversation.turns
    assert turn.text.endswith("\nAnswer in Swahili.")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What colour is the big circle on the left?", "en"),
        ("¿De qué color es el círculo grande de la izquierda?", "es"),
        ("De quelle couleur est le grand cercle à gauche ?", "fr"),
        ("这是什么？", "zh"),
        ("これは何ですか", "ja"),
        ("Что это?", "ru"),
        ("ما هذا؟", "ar"),
        ("यह क्या है?", "hi"),
        ("এটা কী?", "bn"),
        ("یہ کیا ہے؟ ٹھیک", "ur"),
        ("12 + 3", None),
        ("", None),
        ("여기 무엇이 있습니까 그리고 왜", None),
    ],
)
def test_the_language_of_a_question(text, language):
    assert detect_language([text]) == language


def test_a_short_question_is_in_the_language_of_those_before_it():
    assert detect_language(["Quels objets voit-on sur cette photo ?", "Et là ?"]) == "fr"
    assert detect_language([]) is None


def test_only_the_last_turns_are_looked_at():
    texts = ["Quels objets voit-on sur cette photo ?", *["12 + 3"] * 20]
    assert detect_language(texts[:8]) == "fr"
    assert detect_language(texts) is None
