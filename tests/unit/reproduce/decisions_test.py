"""Done, continued, done again: decided from contents, with the input that changed in words."""

import pytest

from palo.reproduce.decisions import StepInputs, changes, decide
from palo.reproduce.record import StepRecord

INPUTS = StepInputs(
    hashes={"settings": "s1", "corpus": "c1"},
    settings={"global_batch": "64", "optimizer.lr": "0.001"},
)
LEFT = {"projector.safetensors": "p1"}


def recorded(state, outputs=LEFT):
    return StepRecord(
        name="pretrain",
        state=state,
        inputs=dict(INPUTS.hashes),
        settings=dict(INPUTS.settings),
        outputs=outputs,
    )


def test_a_step_that_is_done_is_not_done_again():
    decision = decide(recorded("done"), INPUTS, LEFT)
    assert (decision.runs, decision.why) == (False, "done before, from the same inputs")


@pytest.mark.parametrize(
    ("state", "why"),
    [("running", "was killed"), ("stopped", "was stopped"), ("failed", "failed")],
)
def test_a_step_that_was_interrupted_goes_on_where_it_was(state, why):
    decision = decide(recorded(state, {}), INPUTS, {})
    assert decision.runs
    assert not decision.anew
    assert decision.why == f"goes on where it {why}"


@pytest.mark.parametrize("state", ["done", "running", "stopped", "failed"])
def test_other_inputs_make_a_step_anew_and_the_setting_is_named(state):
    other = StepInputs(
        hashes={"settings": "s2", "corpus": "c1"},
        settings={"global_batch": "32", "optimizer.lr": "0.001"},
    )
    decision = decide(recorded(state), other, LEFT)
    assert decision.runs
    assert decision.anew
    assert decision.why == "made anew, for its inputs changed: global_batch 64 -> 32"


def test_what_a_step_before_left_is_named():
    other = StepInputs(hashes={"settings": "s1", "corpus": "c2", "projector": "p"}, settings={})
    assert changes(recorded("done"), other) == "corpus, projector"


def test_many_changes_are_counted():
    settings = dict.fromkeys("abcde", "new")
    told = changes(recorded("done"), StepInputs(hashes={"settings": "s2"}, settings=settings))
    assert told.endswith(" and 5 more")


def test_a_settings_fingerprint_of_another_version_is_told_without_a_name():
    other = StepInputs(hashes={**INPUTS.hashes, "settings": "s2"}, settings=INPUTS.settings)
    assert changes(recorded("done"), other) == "settings"


@pytest.mark.parametrize(("found", "why"), [({}, "gone"), ({"projector.safetensors": "x"}, "chan")])
def test_what_was_lost_or_changed_is_done_again_from_the_same_inputs(found, why):
    decision = decide(recorded("done"), INPUTS, found)
    assert decision.runs
    assert not decision.anew
    assert why in decision.why


def test_a_step_that_is_asked_for_is_made_anew_only_if_it_is_done():
    assert decide(recorded("done"), INPUTS, LEFT, again=True).anew
    assert not decide(recorded("stopped", {}), INPUTS, {}, again=True).anew


@pytest.mark.parametrize("state", ["waiting", "left out"])
def test_a_step_without_a_record_runs_and_keeps_what_is_there(state):
    decision = decide(StepRecord(name="pretrain", state=state), INPUTS, LEFT)
    assert decision.runs
    assert not decision.anew
