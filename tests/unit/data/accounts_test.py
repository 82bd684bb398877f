import pytest

from palo.data.accounts import Accounts, language_counts
from palo.errors import DataError


def add(accounts, number):
    dropped = {"no turns": {"en": 2, "ur": 1}}
    accounts.add("parse", 10, 7, dropped, f"no turns at byte {number}")
    for step in ("clean", "image", "duplicate"):
        accounts.add(step, 7, 7, {}, "")
    accounts.add("encode", 7, 7, {}, "")


def test_counts_add_up_over_tasks():
    accounts = Accounts(max_bad_share=0.5)
    add(accounts, 2)
    add(accounts, 1)
    parse, clean, _, duplicate, encode = accounts.stages()
    assert (parse.rows_in, parse.rows_out, parse.num_dropped) == (20, 14, 6)
    assert parse.dropped == {"no turns": {"en": 4, "ur": 2}}
    assert [stage.name for stage in (clean, duplicate, encode)] == ["clean", "duplicate", "encode"]
    assert encode.rows_in == 14
    accounts.require_few_bad()


def test_too_many_bad_rows_are_told_with_reasons_and_an_example():
    accounts = Accounts(max_bad_share=0.3)
    add(accounts, 2)
    add(accounts, 1)
    accounts.require_few_bad()
    with pytest.raises(DataError) as caught:
        accounts.require_few_bad({"image is missing": 1})
    message = str(caught.value)
    assert "7 of 20 rows are bad, more than 30.0%" in message
    assert "6 no turns, 1 image is missing" in message
    assert "at byte 1." in message


def test_samples_are_measured_by_language(corpus_folder):
    counts = {
        "en": {"records": 7, "split": 1, "cut": 2, "dropped_parts": 3},
        "ur": {"records": 4, "split": 0, "cut": 0, "dropped_parts": 0},
    }
    english, urdu = language_counts(corpus_folder, counts)
    assert (english.language, urdu.language) == ("en", "ur")
    assert (english.num_samples, urdu.num_samples) == (7, 4)
    assert english.num_target_tokens == 21
    assert english.truncation_rate == pytest.approx(2 / 7)
    lengths = [number + 6 for number in range(11) if number % 3]
    assert english.num_text_tokens == sum(lengths)
    assert english.max_text_tokens == 16
    assert english.median_text_tokens == sorted(lengths)[3]
