"""The measurement of what first-token times tell, on a few guesses, and its statistics."""

import random
import sys

import pytest
from tests.conftest import ROOT

_OWN = ("abuse_parts", "resuming", "serving")


@pytest.fixture(scope="module")
def oracle():
    """The bench's own module, which is importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from abuse_parts import oracle

        yield oracle
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


def test_it_measures_both_ways_of_sharing(oracle, tmp_path):
    figures = {figure.name: figure for figure in oracle.measure_oracle(tmp_path, 6, 0)}
    for sharing in ("tenants", "shared"):
        for kind in ("right", "wrong"):
            assert figures[f"{sharing}_{kind}_guess_first_token_s"].value > 0
        assert 0 <= figures[f"{sharing}_guess_advantage"].value <= 1
        assert 0 <= figures[f"{sharing}_guess_p_value"].value <= 1
        assert figures[f"{sharing}_right_guess_told_tokens"].met
    assert figures["tenants_guess_advantage"].target == 0.2
    assert figures["shared_guess_advantage"].target is None


def test_ranks_tell_samples_apart(oracle):
    draw = random.Random(3)
    same = [[draw.gauss(0, 1) for _ in range(200)] for _ in range(2)]
    share, p_value = oracle.mann_whitney(*same)
    assert share == pytest.approx(0.5, abs=0.08)
    assert p_value > 0.01
    share, p_value = oracle.mann_whitney(same[0], [value + 1 for value in same[1]])
    assert share > 0.7
    assert p_value < 1e-6
    assert oracle.mann_whitney([1, 2], [3, 4])[0] == 1
    assert oracle.mann_whitney([1, 1], [1, 1])[0] == 0.5
    assert oracle.mann_whitney([5], [1, 2, 3])[0] == 0
