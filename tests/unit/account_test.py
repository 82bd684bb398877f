"""Users without a name, a home or a cache, and folders that somebody else made first."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from palo import account
from palo.account import cache_folder, is_writable, private_folder

_NOBODY_KNOWN = 45_678
_PROGRAM = """
import getpass, os, sys, tempfile
from pathlib import Path
tempfile.tempdir = sys.argv[1]
from palo.command import run_job
from palo.session import keep_extensions_apart
os.setgid(int(sys.argv[2]))  # only now: the interpreter may lie where others may not look
os.setuid(int(sys.argv[2]))

def main(arguments):
    keep_extensions_apart()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (Path.home(), cache, Path(os.environ["TORCH_EXTENSIONS_DIR"])):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "probe").write_text(getpass.getuser())
    print(getpass.getuser(), os.environ["TORCH_EXTENSIONS_DIR"])

run_job(main)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("home", [None, "/", "/nonexistent"])
def test_a_user_of_whom_nothing_is_known_has_all_that_libraries_ask_for(home):
    """Regression: training wanted to write into the environment, and asked for a user's name."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, folder, str(_NOBODY_KNOWN)],
            env=environment | ({} if home is None else {"HOME": home}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        name, extensions = done.stdout.split()
        assert name == f"user-{_NOBODY_KNOWN}"
        assert Path(extensions).is_relative_to(folder)


def test_a_folder_that_somebody_else_could_enter_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = private_folder("cache")
    assert private_folder("cache") == own
    own.chmod(0o777)
    assert private_folder("cache") != own
    own.rmdir()
    own.symlink_to(tmp_path)
    assert private_folder("cache") != own


@pytest.mark.parametrize(
    "settings",
    [{"HOME": "/nonexistent"}, {"HOME": "~"}, {"HOME": "/", "XDG_CACHE_HOME": "relative"}],
)
def test_without_a_cache_a_private_folder_stands_for_it(monkeypatch, tmp_path, settings):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(account, "is_writable", lambda folder: folder.parent.name == "sound")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert cache_folder().is_relative_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "/sound/cache")
    assert cache_folder() == Path("/sound/cache/palo")


def test_what_is_writable(tmp_path):
    (tmp_path / "file").touch()
    assert is_writable(tmp_path / "a" / "b")
    assert not is_writable(tmp_path / "file" / "b")
