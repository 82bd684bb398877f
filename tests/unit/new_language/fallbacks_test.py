"""What stands in for words that nobody has written yet, and what they change once written."""

import pytest

from palo import languages
from palo.client import EndpointError
from palo.corpus.parallel.conversations import continuation_row, translation_row
from palo.corpus.parallel.settings import ParallelSettings
from palo.corpus.parallel.write import write_parallel_rows
from palo.errors import ConfigError
from palo.metrics.fidelity import answer_language
from palo.serve.chat_page.examples import draw_examples
from palo.serve.protocol.chat_request import RequestMessage
from palo.serve.protocol.conversation import detect_language, read_conversation
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.review.page.settings import review_texts
from palo.webui.mounting import head_of
from palo.webui.texts import chosen_language, page_texts

PERSIAN = (
    "یک دایره قرمز در بالا سمت چپ تصویر دیده می‌شود.",
    "سگ روی مبل می‌خوابد و گربه کنار پنجره نشسته است.",
    "سه نفر در تصویر هستند.",
    "این تصویر چه چیزی را نشان می‌دهد؟",
)
URDU = "کتا صوفے پر سو رہا ہے اور بلی کھڑکی کے پاس بیٹھی ہے۔"
_ASKED = {"role": "user", "content": "What is in the picture?"}
ARABIC = "الكلب ينام على الأريكة والقطة تجلس بجانب النافذة."


@pytest.fixture
def persian(add_languages):
    add_languages("fa")
    return languages.get("fa")


class TestPages:
    def test_they_speak_english_and_run_from_right_to_left(self, persian):
        texts = page_texts("fa")
        assert texts.texts == page_texts("en").texts
        assert texts.language.code == "en"
        assert review_texts("fa").texts == review_texts("en").texts
        assert '"fa": {"direction": "rtl"' in head_of()
        assert chosen_language(None, "fa-IR,fa;q=0.9,en;q=0.8") == "fa"

    def test_each_text_that_is_written_is_shown_and_english_stands_in_for_the_others(
        self, add_languages, tmp_path
    ):
        written = {
            "chat_page": 'timeout = "پاسخ دیر شد."\n',  # the file ends in its table of errors
            "review_page": 'empty = "متن خالی است."\n',
        }
        add_languages("fa", **written)
        texts = page_texts("fa")
        assert texts.language.code == "fa"
        assert texts["send"] == "Send"
        assert texts.error(EndpointError("late", code="timeout")) == "پاسخ دیر شد."
        assert review_texts("fa").errors["empty"] == "متن خالی است."
        examples = draw_examples(tmp_path)
        assert [one.question("fa") for one in examples] == [one.question("en") for one in examples]

    @pytest.mark.parametrize(
        ("text", "fact"),
        [
            ('overloaded = "صبر کنید"\n', "other slots in errors.overloaded than English"),
            ('overloaded = "{seconds"\n', "other slots in errors.overloaded than English"),
            ('tiemout = "x"\n', "an entry that no page shows: errors.tiemout"),
            ("timeout = 3\n", "an entry that no page shows: errors.timeout"),
        ],
    )
    def test_a_wrong_text_is_one_line_that_names_the_file(self, add_languages, text, fact):
        add_languages("fa", chat_page=text)
        with pytest.raises(ConfigError, match=r"fa/chat_page\.toml") as caught:
            page_texts("fa")
        assert fact in str(caught.value)


class TestTheLanguageOfATextInItsScript:
    def test_answers_are_scored_for_being_in_it(self, persian):
        for text in PERSIAN:
            found = {
                code: answer_language(text, code).fidelity for code in ("fa", "ur", "ar", "en")
            }
            assert found == {"fa": "right", "ur": "wrong", "ar": "wrong", "en": "wrong"}, text
        for code, text in (
            ("ur", URDU),
            ("ar", ARABIC),
            ("en", "A red circle is at the top left."),
        ):
            assert answer_language(text, "fa").fidelity == "wrong"
            assert answer_language(text, code).fidelity == "right"

    def test_a_question_in_it_is_recognised_and_asked_for_in_english(self, persian):
        assert detect_language([PERSIAN[3]]) == "fa"
        asked = [RequestMessage.model_validate(_ASKED)]
        read = read_conversation(asked, "fa", 1)
        assert read.conversation.turns[-1].text.endswith("\nAnswer in Persian.")

    def test_its_right_text_is_left_as_it_is(self, persian):
        for text in PERSIAN:
            assert normalize_translation(text, "fa") == text


class TestWishesOfParallelText:
    def test_they_are_english_until_they_are_written(self, persian):
        assert _wishes(translation_row) == {"Translate into Persian:\nx"}

    def test_written_ones_take_turns_with_english(self, add_languages):
        add_languages("fa", words='translate = "به فارسی ترجمه کن:"\ngo_on = "ادامه بده:"\n')
        assert _wishes(translation_row) == {
            "Translate into Persian:\nx",
            "به فارسی ترجمه کن:\nx",
        }
        begun = {
            continuation_row(str(n), "یک دو سه چهار پنج شش", "fa")["conversations"][0]["value"]
            for n in range(9)
        }
        assert any(text.startswith("ادامه بده:") for text in begun)

    def test_rows_are_written_again_when_a_wish_is_written(self, add_languages, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_text('{"en": "This is a large house.", "fr": "C’est une grande maison."}\n')
        settings = ParallelSettings(path=path)

        def is_written():
            return write_parallel_rows(settings, tmp_path / "out", lambda line: None)

        add_languages("fa")
        assert [is_written(), is_written()] == [True, False]
        add_languages("fa", words='translate = "به فارسی ترجمه کن:"\n')
        assert [is_written(), is_written()] == [True, False]


def _wishes(row):
    return {row(str(n), "x", "y", "fa")["conversations"][0]["value"] for n in range(9)}
