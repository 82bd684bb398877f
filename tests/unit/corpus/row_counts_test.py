import pytest

from palo.corpus.row_counts import RowCounts
from palo.corpus.stages import STEPS
from palo.data.manifest import LENGTH_STEP
from palo.errors import DataError
from palo.reasons import Reason


def add(counts, number, source="a"):
    dropped = {"no turns": {"en": 2, "ur": 1}}
    counts.add("parse", source, 10, 7, dropped, f"no turns at byte {number}")
    for step in ("clean", "image", "duplicate", "near_duplicate", "mixture", "encode"):
        counts.add(step, source, 7, 7, {})


def test_counts_add_up_over_tasks_and_sources():
    counts = RowCounts(0.5, ["a", "b", "empty"])
    add(counts, 2)
    add(counts, 1)
    add(counts, 3, source="b")
    stages = counts.stages()
    assert [stage.name for stage in stages] == list(STEPS)
    assert (stages[0].rows_in, stages[0].rows_out, stages[0].num_dropped) == (30, 21, 9)
    assert stages[0].dropped == {"no turns": {"en": 6, "ur": 3}}
    assert stages[-1].rows_in == 21
    counts.require_few_bad()
    first, second, empty = counts.sources()
    assert (first.name, second.name, empty.name) == ("a", "b", "empty")
    assert first.stages[0].dropped == {"no turns": {"en": 4, "ur": 2}}
    assert second.stages[0].rows_in == 10
    assert empty.stages[0].rows_in == 0


def test_a_reason_that_a_step_has_not_declared_is_an_error():
    counts = RowCounts(0.5, ["a"])
    with pytest.raises(ValueError, match="step clean drops rows for no turns"):
        counts.add("clean", "a", 1, 0, {Reason.NO_TURNS: {"en": 1}})


def test_every_reason_belongs_to_a_step():
    assert {reason for step in STEPS.values() for reason in step.drops} == set(Reason)


def test_what_a_step_reads_was_written_before_it():
    written: set[str] = set()
    for step in STEPS.values():
        assert set(step.reads) <= written
        written |= set(step.writes)


def test_too_many_bad_rows_are_reported_with_reasons_and_an_example():
    counts = RowCounts(0.3, ["a"])
    add(counts, 2)
    add(counts, 1)
    for step, reason in (("duplicate", Reason.DUPLICATE), ("mixture", Reason.NOT_CHOSEN)):
        counts.add(step, "a", 9, 0, {reason: {"en": 9}})
    counts.require_few_bad()
    with pytest.raises(DataError) as caught:
        counts.require_few_bad({"image is missing": 1})
    message = str(caught.value)
    assert "7 of 20 rows are bad, more than 30.0%" in message
    assert "6 no turns, 1 image is missing" in message
    assert "at byte 1." in message


def test_samples_are_measured_by_language_and_source():
    counts = RowCounts(0.5, ["a", "b"])
    result = {
        "counts": {"en": {"records": 3, "split": 1, "cut": 2, "dropped_parts": 3}},
        "lengths": {"en": {"10": 3, str(LENGTH_STEP + 6): 1}},
        "num_targets": {"en": 21},
    }
    counts.add_samples("a", **result)
    counts.add_samples("b", counts={}, lengths={"ur": {"7": 2}}, num_targets={"ur": 4})
    counts.add_samples("b", **result)
    counts.add_counts("a", {"en": {"normal_form": 4, "other_language": 1}})
    english, urdu = counts.languages()
    assert (english.language, urdu.language) == ("en", "ur")
    assert (english.num_records, english.num_samples, urdu.num_samples) == (6, 8, 2)
    assert english.num_target_tokens == 42
    assert english.truncation_rate == pytest.approx(4 / 8)
    assert english.num_text_tokens == 2 * (30 + LENGTH_STEP + 6)
    assert english.max_text_tokens == LENGTH_STEP + 6
    assert english.median_text_tokens == 10
    assert english.lengths == (6, 2)
    assert (english.num_rewritten_turns, english.num_in_other_language) == (4, 1)
    first, second = counts.sources()
    assert (first.num_samples, second.num_samples) == ({"en": 4}, {"en": 4, "ur": 2})
    assert first.num_text_tokens == {"en": 30 + LENGTH_STEP + 6}
    assert second.num_records == {"en": 3, "ur": 0}
