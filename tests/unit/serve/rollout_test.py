"""Which run of a model is served: the newest sound one, without a moment between two of them."""

from pathlib import Path

import pytest

from palo.serve.rollout import RETIRE_S, RETRY_S, AppState, Candidate, Rollout, RolloutStep

_WARM = AppState(is_running=True)
_COLD = AppState()


def run(name: str, finished: float, model: str = "palo") -> Candidate:
    folder = Path("/store/runs") / name / "finetune"
    return Candidate(model=model, run=name, folder=folder, finished=finished)


class Serve:
    """A stand-in for Ray Serve: applications appear when they are started, and go when stopped."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self.states: dict[str, AppState] = {}
        self.now = 0.0

    def step(self, *found: Candidate, after: float = 1.0) -> RolloutStep:
        self.now += after
        step = self.rollout.step(found, self.states, self.now)
        if step.start is not None:
            self.states[step.start.app] = _COLD
        for app in step.stop:
            del self.states[app]
        return step

    def set_next(self, state: AppState) -> None:
        assert self.rollout.next is not None
        self.states[self.rollout.next.app] = state

    def served(self) -> str | None:
        return self.rollout.current.candidate.run if self.rollout.current is not None else None


@pytest.fixture
def serve() -> Serve:
    return Serve(Rollout(model="palo", settings="0123456789abcdef"))


def served_first(serve: Serve, candidate: Candidate) -> None:
    serve.step(candidate)
    serve.set_next(_WARM)
    serve.step(candidate)
    assert serve.served() == candidate.run


def test_without_a_run_nothing_is_started(serve: Serve) -> None:
    assert serve.step() == RolloutStep()
    assert serve.served() is None


def test_the_first_run_is_served_when_it_is_warm_and_not_before(serve: Serve) -> None:
    step = serve.step(run("a", 1))
    assert step.start is not None
    assert serve.step(run("a", 1)) == RolloutStep()
    assert serve.served() is None
    serve.set_next(_WARM)
    assert serve.step(run("a", 1)) == RolloutStep()
    assert serve.served() == "a"


def test_a_newer_run_replaces_it_when_warm_and_the_old_one_goes_a_while_later(
    serve: Serve,
) -> None:
    served_first(serve, run("a", 1))
    both = run("b", 2), run("a", 1)
    started = serve.step(*both).start
    assert started is not None
    assert serve.served() == "a"
    serve.set_next(_WARM)
    assert serve.step(*both).stop == ()
    assert serve.served() == "b"
    assert serve.step(*both, after=RETIRE_S / 2).stop == ()
    (old,) = serve.step(*both, after=RETIRE_S).stop
    assert old != started.app
    assert list(serve.states) == [started.app]
    assert serve.step(*both) == RolloutStep()


def test_a_run_that_is_trained_again_is_another_model(serve: Serve) -> None:
    served_first(serve, run("a", 1))
    assert serve.step(run("a", 5)).start is not None


def test_while_a_run_is_trained_again_nothing_older_takes_its_place(serve: Serve) -> None:
    served_first(serve, run("b", 2))
    assert serve.step(run("a", 1)) == RolloutStep()
    assert serve.step() == RolloutStep()
    assert serve.served() == "b"


def test_a_broken_run_is_told_and_the_one_before_stays(serve: Serve) -> None:
    served_first(serve, run("a", 1))
    both = run("b", 2), run("a", 1)
    started = serve.step(*both).start
    assert started is not None
    serve.set_next(AppState(fault="its weights are damaged"))
    assert serve.step(*both).stop == (started.app,)
    assert serve.served() == "a"
    (fault,) = serve.rollout.faults.values()
    assert (fault.run, fault.reason) == ("b", "its weights are damaged")
    assert serve.step(*both, after=RETRY_S / 2) == RolloutStep()
    assert serve.step(*both, after=RETRY_S).start == started
    serve.set_next(_WARM)
    serve.step(*both)
    assert (serve.served(), serve.rollout.faults) == ("b", {})


def test_where_the_newest_is_broken_and_none_is_served_the_one_before_is_started(
    serve: Serve,
) -> None:
    both = run("b", 2), run("a", 1)
    first = serve.step(*both).start
    assert first is not None
    serve.rollout.fail(first, "no such parts", serve.now)
    del serve.states[first.app]
    second = serve.step(*both).start
    assert second is not None
    assert second.candidate.run == "a"


def test_a_run_that_is_mended_is_tried_at_once(serve: Serve) -> None:
    first = serve.step(run("a", 1)).start
    assert first is not None
    serve.rollout.fail(first, "broken", serve.now)
    del serve.states[first.app]
    again = serve.step(run("a", 3)).start
    assert again is not None
    assert again.app != first.app
    assert serve.rollout.faults == {}


def test_a_still_newer_run_takes_the_place_of_one_that_isnt_warm_yet(serve: Serve) -> None:
    first = serve.step(run("a", 1)).start
    assert first is not None
    step = serve.step(run("b", 2), run("a", 1))
    assert step.stop == (first.app,)
    assert step.start is not None
    assert step.start.candidate.run == "b"


def test_a_new_keeper_takes_over_what_is_served(serve: Serve) -> None:
    served_first(serve, run("a", 1))
    other = Serve(Rollout(model="palo", settings="0123456789abcdef"))
    other.states = dict(serve.states)
    assert other.step(run("a", 1)) == RolloutStep()
    assert other.served() == "a"


def test_other_settings_start_the_run_anew_beside_the_old_one(serve: Serve) -> None:
    served_first(serve, run("a", 1))
    other = Serve(Rollout(model="palo", settings="fedcba9876543210"))
    other.states = dict(serve.states)
    (old,) = serve.states
    started = other.step(run("a", 1)).start
    assert started is not None
    assert (started.app != old, other.served()) == (True, "a")
    other.set_next(_WARM)
    other.step(run("a", 1))
    assert other.step(run("a", 1), after=RETIRE_S).stop == (old,)


def test_a_new_keeper_that_knows_a_broken_newer_run_keeps_the_old_one(serve: Serve) -> None:
    served_first(serve, run("a", 1))
    other = Serve(Rollout(model="palo", settings="0123456789abcdef"))
    other.states = dict(serve.states)
    other.step(run("b", 2), run("a", 1))
    assert other.served() == "a"


def test_what_nobody_knows_goes_in_the_end_and_others_are_left_alone(serve: Serve) -> None:
    served_first(serve, run("a", 1))
    stray = f"{run('gone', 0).prefix}0"
    others = "palo", "page", run("x", 1, model="other").prefix
    serve.states |= {stray: _WARM, **dict.fromkeys(others, _WARM)}
    assert serve.step(run("a", 1)).stop == ()
    assert serve.step(run("a", 1), after=RETIRE_S).stop == ()
    assert serve.step(run("a", 1), after=600.0).stop == (stray,)


def test_an_application_that_somebody_deleted_is_started_again(serve: Serve) -> None:
    served_first(serve, run("a", 1))
    serve.states.clear()
    assert serve.step(run("a", 1)).start is not None
    assert serve.served() is None


def test_names_of_models_that_differ_in_odd_characters_stay_apart() -> None:
    prefixes = {run("a", 1, model=model).prefix for model in ("a b", "a_b", "a#b", "a/b")}
    assert len(prefixes) == 4
    assert all("#" not in prefix for prefix in prefixes)
