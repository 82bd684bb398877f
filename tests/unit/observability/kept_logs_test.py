"""Logs of a node are in the store, the newest of each and not too many, on a disk and on S3."""

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import ROOT

from palo import config
from palo.errors import ConfigError, StorageError
from palo.observability.kept_logs import (
    KeepSettings,
    LogKeeper,
    kept_files,
    read_log,
    remove_old,
)

SESSION = "session_2026-11-29_10-00-00_000000_1"
_PATIENCE_S = 60.0


@pytest.fixture
def ray(tmp_path: Path) -> Path:
    """The folder of a Ray that runs."""
    return start(tmp_path / "ray", SESSION)


def start(folder: Path, session: str) -> Path:
    (folder / session / "logs" / "serve").mkdir(parents=True)
    (folder / "session_latest").unlink(missing_ok=True)
    (folder / "session_latest").symlink_to(folder / session)
    return folder


@pytest.fixture(params=["disk", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where logs are kept."""
    if request.param == "disk":
        return tmp_path / "store" / "logs"
    bucket: Path = request.getfixturevalue("bucket")
    return bucket / "logs"


def write(ray: Path, name: str, text: str, age_s: float = 0.0) -> Path:
    path = ray / "session_latest" / "logs" / name
    path.write_text(text)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def texts(root: Path) -> dict[str, str]:
    return {f"{one.node}/{one.name}": read_log(one) for one in kept_files(root)}


def test_logs_stay_when_the_node_has_gone(ray: Path, root: Path, tmp_path: Path) -> None:
    write(ray, "worker-1.err", "ValueError: 世界\n")
    write(ray, "serve/replica_palo.log", "started\n")
    write(ray, "empty.out", "")
    write(ray, "plasma.bin", "no log")
    keeper = LogKeeper(root, KeepSettings(ray=ray), "node-a")
    assert keeper.look() == 2
    expected = {
        "node-a/worker-1.err": "ValueError: 世界\n",
        "node-a/serve/replica_palo.log": "started\n",
    }
    assert texts(root) == expected
    for path in sorted(ray.rglob("*"), reverse=True):
        path.unlink() if path.is_symlink() or path.is_file() else path.rmdir()
    assert keeper.look() == 0
    assert texts(root) == expected


def test_only_what_has_changed_is_copied_again(ray: Path, root: Path) -> None:
    write(ray, "a.log", "one\n", age_s=5)
    write(ray, "b.log", "one\n", age_s=5)
    keeper = LogKeeper(root, KeepSettings(ray=ray), "node-a")
    assert (keeper.look(), keeper.look()) == (2, 0)
    write(ray, "b.log", "one\ntwo\n")
    assert keeper.look() == 1
    assert texts(root) == {"node-a/a.log": "one\n", "node-a/b.log": "one\ntwo\n"}


def test_of_a_long_file_the_end_is_kept(ray: Path, root: Path) -> None:
    write(ray, "long.log", "x" * (3 << 20) + "the end")
    LogKeeper(root, KeepSettings(ray=ray, file_mib=1), "node-a").look()
    (kept,) = kept_files(root)
    text = read_log(kept)
    assert len(text) == 1 << 20
    assert text.endswith("the end")
    assert kept.size_bytes < 1 << 16


def test_of_many_files_the_newest_are_kept(ray: Path, root: Path) -> None:
    keeper = LogKeeper(root, KeepSettings(ray=ray, file_mib=1, node_mib=2), "node-a")
    for number in range(3):
        write(ray, f"{number}.log", "x" * (1 << 20), age_s=10 - number)
        keeper.look()
    assert [one.name for one in kept_files(root)] == ["1.log", "2.log"]


def test_two_nodes_and_two_clusters_have_a_place_each(ray: Path, root: Path) -> None:
    write(ray, "a.log", "1")
    for node in ("node-a", "node-b"):
        LogKeeper(root, KeepSettings(ray=ray), node).look()
    start(ray, "session_2026-11-30_10-00-00_000000_1")
    write(ray, "a.log", "2")
    keeper = LogKeeper(root, KeepSettings(ray=ray), "node-a")
    keeper.look()
    assert [(one.session[:18], one.node) for one in kept_files(root)] == [
        ("session_2026-11-29", "node-a"),
        ("session_2026-11-29", "node-b"),
        ("session_2026-11-30", "node-a"),
    ]


def test_old_clusters_are_deleted_when_another_starts(ray: Path, tmp_path: Path) -> None:
    root = tmp_path / "logs"
    write(ray, "a.log", "1")
    LogKeeper(root, KeepSettings(ray=ray), "node-a").look()
    (kept,) = kept_files(root)
    month_ago = time.time() - 31 * 86400
    os.utime(kept.path, (month_ago, month_ago))
    start(ray, "session_2026-12-30_10-00-00_000000_1")
    write(ray, "a.log", "2")
    LogKeeper(root, KeepSettings(ray=ray), "node-a").look()
    assert [one.session[:18] for one in kept_files(root)] == ["session_2026-12-30"]
    assert not remove_old(root, 30.0)


def test_a_store_that_fails_is_told_once_and_tried_again(
    ray: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ray, "a.log", "1")
    root, told = tmp_path / "logs", []
    root.write_text("in the way")
    pauses = []

    def slept(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            root.unlink()
        if len(pauses) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", slept)
    with pytest.raises(KeyboardInterrupt):
        LogKeeper(root, KeepSettings(ray=ray), "node-a").run(told.append)
    assert len(told) == 1
    assert "aren't kept for now" in told[0]
    assert texts(root) == {"node-a/a.log": "1"}


def test_a_damaged_copy_is_told(ray: Path, tmp_path: Path) -> None:
    write(ray, "a.log", "1")
    LogKeeper(tmp_path / "logs", KeepSettings(ray=ray), "node-a").look()
    (kept,) = kept_files(tmp_path / "logs")
    kept.path.write_bytes(gzip.compress(b"12345")[:-6])
    with pytest.raises(StorageError, match="damaged"):
        read_log(kept)


@pytest.mark.parametrize(
    ("changes", "told"), [({"file_mib": 0}, "file_mib is 0"), ({"every_s": 0}, "every_s is 0")]
)
def test_wrong_settings_are_told(changes: dict[str, int], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config.check(replace(KeepSettings(), **changes))


def _run(store: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "logs.py"), *arguments, f"--store={store}"],
        capture_output=True,
        text=True,
        check=False,
    )


def _until(found: Callable[[], object]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not found():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_the_job_keeps_until_it_is_ended_then_its_logs_are_found_from_anywhere(
    ray: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    write(ray, "worker-1.err", "first\n", age_s=5)
    keep = [sys.executable, str(ROOT / "jobs" / "logs.py"), "keep", f"--store={store}"]
    keep += [f"--keep.ray={ray}", "--keep.every-s=3600"]
    keeper = subprocess.Popen(keep, stdout=subprocess.PIPE, text=True)
    try:
        _until(lambda: kept_files(store / "logs"))
        second = _run(store, "keep", f"--keep.ray={ray}")
        assert (second.returncode, "another process" in second.stdout) == (0, True)
        write(ray, "worker-1.err", "first\nCUDA error: \x1b[31mred\n")
        keeper.terminate()
        assert keeper.wait(_PATIENCE_S) == 0
    finally:
        keeper.kill()
        keeper.communicate()
    listed = _run(store, "list").stdout
    assert SESSION in listed
    node = kept_files(store / "logs")[0].node
    shown = _run(store, "show", f"{node}/worker-*.err", "--lines", "1")
    assert shown.stdout.startswith("CUDA error")
    assert "\x1b" not in shown.stdout
    found = _run(store, "find", "CUDA")
    assert found.stdout.startswith(f"{node}/worker-1.err: CUDA error")
    missing = _run(store, "show", f"{node}/nothing")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)


def test_without_a_store_it_says_so(ray: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PALO_STORE"}
    told = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "logs.py"), "keep"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    assert "--store" in told.stderr
