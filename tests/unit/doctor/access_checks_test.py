"""Token and store: there, private, usable."""

from pathlib import Path

import pytest

from palo import storage
from palo.doctor.access_checks import check_store, check_token
from palo.doctor.finding import Finding


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    path = tmp_path / "auth_token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    return path


def _token() -> Finding:
    (found,) = check_token()
    return found


def test_a_token_is_missing_empty_readable_and_right(token: Path) -> None:
    assert "ray get-auth-token --generate" in _token().fix
    token.write_text("\n", encoding="utf-8")
    token.chmod(0o600)
    assert (_token().level, "empty" in _token().text) == ("fault", True)
    token.write_text("s" * 32, encoding="utf-8")
    token.chmod(0o640)
    assert _token().fix == f"chmod 600 {token}."
    token.chmod(0o600)
    assert _token().level == "ok"
    assert "s" * 32 not in str(_token())


def _store(monkeypatch: pytest.MonkeyPatch, place: str) -> Finding:
    monkeypatch.setenv("PALO_STORE", place)
    (found,) = check_store()
    return found


def test_a_folder_is_written_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _store(monkeypatch, str(tmp_path)).level == "ok"
    assert not list(tmp_path.iterdir())


def test_a_bucket_is_written_and_left_as_it_was(
    bucket: storage.S3Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _store(monkeypatch, f"{bucket}").level == "ok"
    assert not list(bucket.iterdir())


def test_a_store_that_is_not_there(
    bucket: storage.S3Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for place in (str(tmp_path / "file" / "below"), str(bucket).replace("bucket-", "no-bucket-")):
        found = _store(monkeypatch, place)
        assert found.level == "fault"
        assert found.fix


def test_without_a_setting_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "isn't set" in _store(monkeypatch, "").text
