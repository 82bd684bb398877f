"""The doctor prints a line for each finding, and its exit code tells whether there is a fault."""

import contextlib

import pytest
from jobs import doctor

from palo.errors import ConfigError, ResourceError


def test_what_is_fine_ends_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PALO_STORE", raising=False)
    doctor.main(["python", "store"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["ok", "ok"]
    assert lines[2] == "no fault, 0 warnings"


def test_a_fault_is_the_jobs_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALO_STORE", "/proc/none")
    with pytest.raises(ResourceError, match="one fault"):
        doctor.main(["store"])
    assert capsys.readouterr().out.startswith("fault    store")


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ConfigError, match="stroe"):
        doctor.main(["stroe"])


def test_all_of_the_machine_is_checked_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(ResourceError):  # this machine may have a fault
        doctor.main([])
    subjects = {line[9:23].strip() for line in capsys.readouterr().out.splitlines()}
    assert {
        "Python",
        "packages",
        "compiler",
        "memory",
        "disk",
        "limits",
        "GPU",
        "store",
    } <= subjects
