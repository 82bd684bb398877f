import dataclasses
from pathlib import Path

import pytest

from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.measures import by_language, measure, summary, vocabulary
from palo.metrics.hallucination import mentions

ITEM = BenchItem(
    question_id="1",
    language="en",
    image=Path("a.jpg"),
    category="detail",
    question="Describe.",
    references=("A dog on a sofa.",),
    context=("A dog sleeps beside two cups.",),
    objects=("dog", "couch"),
)
OTHER = dataclasses.replace(ITEM, question_id="2", objects=("cat", "cup", "hot dog"))


def test_an_object_that_is_not_there_is_a_hallucination():
    names = vocabulary([ITEM, OTHER], "en")
    assert names == ("cat", "couch", "cup", "dog", "hot dog")
    found = mentions(
        "Cats and a dog near cups, categories aside.", ITEM.objects, ITEM.context, names
    )
    assert found.mentioned == ("cat", "cup", "dog")
    assert found.hallucinated == ("cat",)  # the captions speak of cups
    unknown = dataclasses.replace(ITEM, objects=None)
    (one,) = measure([unknown], [ModelAnswer(key=unknown.key, text="x")])
    assert one.mentions is None
    assert vocabulary([ITEM], "ur") == ()


def test_measures_are_summed_up_by_language():
    urdu = dataclasses.replace(
        ITEM, language="ur", references=("کتا",), question_id="3", objects=None, context=()
    )
    answers = [
        ModelAnswer(key="en/1", text="A dog on a sofa.", finish_reason="stop"),
        ModelAnswer(key="en/2", text="Ein Hund und eine Katze.", finish_reason="length"),
        ModelAnswer(key="ur/3", text=""),
    ]
    measured = measure([ITEM, OTHER, urdu], answers)
    sums = by_language(measured)
    assert list(sums) == ["en", "ur"]
    english = sums["en"]
    assert (english.num_answers, english.exact, english.relaxed) == (2, 0.5, 0.5)
    assert english.cut_off == 0.5
    # "dog" is in the second image as a hot dog and in the caption as itself.
    assert (english.hallucinated, english.answers_hallucinating) == (0, 0)
    assert sums["ur"].fidelity == 0
    assert sums["ur"].empty == 1
    assert sums["ur"].hallucinated is None
    assert summary(measured).num_answers == 3
    assert measured[0].chrf == pytest.approx(100)
    assert measured[0].offline is None
    judged = summary(measure([ITEM, OTHER, urdu], answers, offline=True))
    assert 1 < judged.offline < 5


def test_answers_of_other_questions_are_refused():
    with pytest.raises(ValueError, match="en/2 is no answer to en/1"):
        measure([ITEM], [ModelAnswer(key="en/2", text="x")])
