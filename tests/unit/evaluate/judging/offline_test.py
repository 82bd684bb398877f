import numpy as np
import pytest

from palo import config
from palo.errors import DataError, MismatchError
from palo.evaluate.judging.calibration_report import held_out, read_scored
from palo.evaluate.judging.offline import (
    FEATURES,
    calibrate,
    load_offline_judge,
    similarity_features,
    spearman,
)
from palo.storage import read_json, write_json

REFERENCE = "A man in a yellow shirt irons clothes on the back of a car in a busy street."
QUESTION = "What is unusual about this image?"


@pytest.mark.parametrize(
    ("reference", "good", "bad"),
    [
        (REFERENCE, "A man in a yellow shirt irons clothes on a car.", "It is a cat."),
        ("ایک آدمی گاڑی پر کپڑے استری کر رہا ہے۔", "آدمی گاڑی پر استری کرتا ہے۔", "بلی۔"),
        ("একজন লোক গাড়িতে কাপড় ইস্ত্রি করছে।", "লোকটি গাড়িতে ইস্ত্রি করছে।", "বিড়াল।"),
        ("एक आदमी कार पर कपड़े इस्त्री करता है।", "आदमी कार पर इस्त्री करता है।", "बिल्ली।"),
        ("رجل يكوي الملابس على ظهر سيارة.", "رجل يكوي على سيارة.", "قطة."),
    ],
)
def test_the_kept_judge_prefers_what_says_the_same(reference, good, bad):
    judge = load_offline_judge()
    scores = [judge.score(QUESTION, words, reference) for words in (reference, good, bad, " ")]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[1] > scores[2] >= scores[3] == 1
    assert scores[0] <= 5


def test_features_are_numbers_with_names():
    values = dict(zip(FEATURES, similarity_features(QUESTION, REFERENCE, REFERENCE), strict=True))
    assert values["chrf"] == pytest.approx(100)
    assert (values["log_ratio"], values["recall_3"], values["new_precision_5"]) == (0, 1, 1)
    empty = similarity_features(QUESTION, "", REFERENCE)
    assert all(np.isfinite(empty))
    assert all(np.isfinite(similarity_features("", "", "")))
    parrot = dict(zip(FEATURES, similarity_features(QUESTION, QUESTION, REFERENCE), strict=True))
    assert parrot["echo_5"] == 1
    assert parrot["new_recall_5"] == 0


def test_a_fit_finds_what_scores_follow():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(400, len(FEATURES)))
    scores = np.clip(3 + rows[:, 0] - 0.5 * rows[:, 3], 1, 5)
    fitted = calibrate(rows[:300], scores[:300], ["en"] * 300)
    assert spearman(fitted.scores(rows[300:]), scores[300:]) > 0.95
    assert (fitted.num_answers, fitted.languages) == (300, ("en",))


def test_a_judge_fitted_on_other_features_is_refused(tmp_path):
    values = config.to_dict(load_offline_judge())
    write_json(tmp_path / "judge.json", values | {"features": values["features"][::-1]})
    with pytest.raises(MismatchError, match="in another order"):
        load_offline_judge(tmp_path / "judge.json")
    assert read_json(tmp_path / "judge.json")["num_answers"] == load_offline_judge().num_answers


def test_spearman_gives_ties_their_mean_rank():
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 90])) == pytest.approx(1)
    assert spearman(np.array([1.0, 1, 2]), np.array([1.0, 2, 3])) == pytest.approx(0.866, abs=1e-3)


def test_an_empty_file_of_scored_answers_is_told(tmp_path):
    (tmp_path / "en.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="holds no scored answer"):
        read_scored(tmp_path / "en.jsonl")


@pytest.mark.data
def test_it_ranks_better_than_chrf_and_length_in_languages_it_was_not_fitted_on(data_folder):
    """On every seventh answer of each language; all of them: see DECISIONS.md."""
    folder = data_folder / "judge" / "xchat"
    answers = {path.stem: read_scored(path, every=7) for path in sorted(folder.glob("*.jsonl"))}
    found = held_out(answers).values()
    judge, chrf, length = (
        np.mean([getattr(one, name) for one in found]) for name in ("judge", "chrf", "length")
    )
    assert judge > chrf + 0.05
    assert judge > length + 0.05
