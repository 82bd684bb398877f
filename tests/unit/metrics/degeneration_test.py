import pytest

from palo.metrics.degeneration import is_cut_off, refuses, repeats_itself, repetition


@pytest.mark.parametrize(
    "piece", ["the red cat is ", "一只红色的猫", "سرخ بلی یہاں ہے ", "লাল বিড়াল এখানে আছে "]
)
def test_a_loop_is_repetition_whatever_the_script(piece):
    assert repeats_itself(piece * 12)
    assert repetition(piece * 12) > 0.6


def test_plain_text_is_not():
    text = (
        "A man in a yellow shirt irons clothes on the back of a car that drives through a "
        "street full of taxis, which is not what one sees every day in any city."
    )
    assert repetition(text) == 0
    assert repetition("no no no") == 0


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't see it.",
        "Lo siento, no puedo verlo.",
        "Je ne suis pas en mesure de répondre.",
        "Извините, я не могу этого сказать.",
        "抱歉，我无法回答。",
        "申し訳ありませんが、お答えできません。",
        "عذرًا، لا أستطيع الإجابة.",
        "क्षमा करें, मैं यह नहीं बता सकता।",
        "দুঃখিত, আমি তা বলতে পারি না।",
        "معذرت، میں یہ نہیں بتا سکتا۔",
    ],
)
def test_refusals_of_every_language(text):
    assert refuses(text)


@pytest.mark.parametrize(
    "text", ["A cat sits there.", "Je suis sûr.", "یہ بلی ہے۔", "これは猫です。"]
)
def test_answers_are_no_refusals(text):
    assert not refuses(text)


def test_what_the_engine_says_decides_whether_an_answer_was_cut():
    whole = "A long enough sentence, that ends as it should."
    assert is_cut_off(whole, "length")
    assert not is_cut_off(whole[:-9], "stop")


@pytest.mark.parametrize("end", [".", "۔", "।", "。", "؟", "!", "»", "```"])
def test_else_its_end_decides(end):
    body = "a sentence of some length " * 3
    assert not is_cut_off(body + end, "unknown")
    assert is_cut_off(body + end + " and then", "unknown")
    assert not is_cut_off("a cat", "unknown")
