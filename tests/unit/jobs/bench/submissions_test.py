"""The list of jobs that the bench of submissions works off."""

import sys
from collections import Counter
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from palo import config
from palo.errors import ConfigError

_OWN = ("ray_head", "resuming", "submitting")


@pytest.fixture(scope="module")
def bench():
    """The bench's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from submitting import counts, figures, portion, settings

        yield SimpleNamespace(counts=counts, figures=figures, portion=portion, settings=settings)
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


def test_a_whole_run_has_300_jobs_of_all_fates_in_portions(bench):
    settings = bench.settings.SubmissionsBench()
    portions = settings.portions()
    assert [len(portion) for portion in portions] == [60] * 5
    cases = [case for portion in portions for case in portion]
    assert [case.number for case in cases] == list(range(300))
    assert Counter(case.fate for case in cases) == {
        fate: 30 * share for fate, share in bench.settings.MIX.items()
    }
    assert settings.portions() == portions
    assert bench.settings.SubmissionsBench(seed=1).portions() != portions


def test_a_part_makes_no_result_to_keep(bench, tmp_path):
    config.check(bench.settings.SubmissionsBench(count=10, output=tmp_path))
    with pytest.raises(ConfigError, match="make no result to keep"):
        config.check(bench.settings.SubmissionsBench(count=10))


def counted(bench, **more):
    """Counts of a quiet head, but for some."""
    zero = dict.fromkeys(bench.counts.Counts.__dataclass_fields__, 0)
    daemons = dict.fromkeys(bench.counts.DAEMONS.values(), 0)
    return bench.counts.Counts(**zero | {"open_files": daemons, "memory_mib": daemons} | more)


@pytest.mark.parametrize(
    ("grown", "leak"),
    [
        ({}, None),
        ({"records": 60, "logs": 120, "unpacked": 6, "workers": 3}, None),
        ({"actors": 1}, "actors_left: 1"),
        ({"job_processes": 2}, "job_processes_left: 2"),
        ({"own_files": 5}, "more_open_files_of_the_submitter: 5"),
        ({"ports": 1}, "more_ports: 1"),
    ],
)
def test_what_jobs_leave_is_a_leak_and_what_ray_keeps_is_none(bench, grown, leak):
    portion = bench.portion.Portion(
        ended=(), before=counted(bench), after=counted(bench, **grown), settled_s=1.0
    )
    found = bench.figures.leaks(list(bench.figures.figures_of([portion])))
    assert found == ([leak] if leak else [])
