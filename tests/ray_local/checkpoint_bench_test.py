"""Two checkpoints answer a bench, and a judge that misbehaves in every way scores them."""

import json
import re

import pytest

from palo.endpoint.settings import EndpointSettings
from palo.evaluate.answers import from_checkpoint
from palo.evaluate.answers.from_checkpoint import CheckpointAnswers, answer_from_checkpoint
from palo.evaluate.benches.bench import Bench, BenchItem
from palo.evaluate.benches.sources.own import SOURCE
from palo.evaluate.generation import AnswerSettings, generate, generate_texts, load_for_answers
from palo.evaluate.judging.judge import judge
from palo.evaluate.judging.requests import JudgeSettings

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

DECODING = AnswerSettings(max_new_tokens=8, batch_size=4)
CODES = ("en", "ur", "ja")
URDU = "پہلا جواب تصویر کے بارے میں زیادہ درست ہے، دوسرا نہیں۔"
FAULTS = {
    "en/0": "not in the form asked for",
    "en/1": "not in the form asked for",
    "en/2": "score out of range",
    "ur/0": "connection",
    "ur/1": "refused",
    "ja/0": "empty",
    "ja/1": "server_error",
    "ja/3": "cut off",
}
PASSING = ["ur/0", "ur/1", "ja/1"]
"""Those of the server rather than of its answers: they are asked again."""


@pytest.fixture(scope="module")
def bench(image_files):
    """Four questions in each of three languages about three images."""
    items = tuple(
        BenchItem(
            question_id=str(number),
            language=code,
            image=image_files[number % 3],
            category="conv",
            question=f"question {code}/{number}",
            references=("reference",),
        )
        for code in CODES
        for number in range(4)
    )
    return Bench(source=SOURCE, items=items, hash="0" * 16)


def worth(text):
    return 8 if text == "reference" else 2 + len(text.strip()) % 5


class Judge:
    """Misbehaves as each question's name says, until it is `well`."""

    def __init__(self):
        self.asked = []
        self.well = False

    def __call__(self, body, number):
        text = body["messages"][1]["content"]
        key = re.search(r"question (\w\w/\d)", text)[1]
        self.asked.append(key)
        first, second = re.findall(r"\[(?:First|Second) answer]\n(.*?)\n\[End", text, re.DOTALL)
        scores = {"first": worth(first), "second": worth(second)}
        right = json.dumps(scores | {"reason": URDU if key == "ur/2" else "It says more."})
        wrong = {
            "en/0": "Both are lovely, thank you!",
            "en/1": "پہلا: ۷، دوسرا: ۸",
            "en/2": json.dumps(scores | {"second": 42, "reason": "Very good."}),
            "ur/0": None,
            "ur/1": (400, {"error": {"message": "filtered"}}),
            "ja/0": "  ",
            "ja/1": (500, {}),
            "ja/3": (
                200,
                {"choices": [{"message": {"content": right}, "finish_reason": "length"}]},
            ),
        }
        if key == "ja/2" and self.asked.count(key) == 1:
            return 503, {}  # passes by itself
        return right if self.well else wrong.get(key, right)


@pytest.fixture
def server(completions):
    completions.answer = Judge()
    return completions


def answer_in_this_process(stage, items, variants, *, num_workers, on_answer):
    ((name, settings),) = variants.items()
    for position, one in enumerate(generate(load_for_answers(stage), items[name], settings)):
        on_answer(name, position, one)


def judged(bench, answered, server, kept):
    endpoint = EndpointSettings(
        url=server.url, model="judge-1", first_wait_s=0.0, attempts=2, in_flight=4
    )
    return judge(bench.items, answered.answers, JudgeSettings(endpoint=endpoint), kept)


def test_scores_are_right_failures_counted_and_nothing_is_asked_twice(
    bench, finished_stage, caption_stage, trained, server, tmp_path, monkeypatch
):
    stages = {"tuned": finished_stage, "pretrained": caption_stage}
    answered = {}
    for name, stage in stages.items():
        settings = CheckpointAnswers(stage=stage, variants={name: DECODING})
        answered[name] = answer_from_checkpoint(bench, settings, tmp_path)[name]
        # One start of Ray's actors is enough for a test.
        monkeypatch.setattr(from_checkpoint, "generate_with_workers", answer_in_this_process)
    words = {name: [a.text for a in one.answers.values()] for name, one in answered.items()}
    assert words["tuned"] == generate_texts(trained, bench.items, DECODING)
    assert words["tuned"] != words["pretrained"]
    assert "length" in {answer.finish_reason for answer in answered["tuned"].answers.values()}

    sound = [item.key for item in bench.items if item.key not in FAULTS]
    for name, one in answered.items():
        run = judged(bench, one, server, tmp_path / "judgments")
        scores = {s.key: (s.reference, s.candidate) for s in run.judged.scored}
        assert scores == {key: (8, worth(one.answers[key].text)) for key in sound}, name
        assert run.judged.unscored == FAULTS
        assert run.judged.num_foreign_reasons == 2  # in both orders
        assert (run.num_cached, run.num_asked) == (0, 24)

    before = len(server.bodies)
    server.answer.well = True
    monkeypatch.setattr(
        from_checkpoint, "generate_with_workers", lambda *_, **__: pytest.fail("asked")
    )
    for name, stage in stages.items():
        settings = CheckpointAnswers(stage=stage, variants={name: DECODING})
        again = answer_from_checkpoint(bench, settings, tmp_path)[name]
        assert again.answers == answered[name].answers
        assert (again.num_cached, again.num_asked) == (12, 0)
        run = judged(bench, again, server, tmp_path / "judgments")
        assert (run.num_cached, run.num_asked) == (18, 6)
        assert set(run.judged.unscored) == set(FAULTS) - set(PASSING)
    assert sorted(server.answer.asked[before:]) == sorted(PASSING * 4)
