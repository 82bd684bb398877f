"""Nothing in the repository depends on one machine, and no debt is left without its issue."""

import re
import subprocess
from pathlib import Path

import pytest

# Written in pieces, so that this file does not find itself.
_HOMES = re.compile(
    "|".join(("/" + "home/[a-z]", "/" + "Users/[A-Za-z]", "/" + "root/", r"[A-Z]:\\\\"))
)
_ROOTS = re.compile(r"(?<![\w./~*-])/(?:work|data|mnt|scratch|nfs)/[\w.]")
_DEBT = re.compile("TO" + r"DO(?!\(#\d+\))|FIX" + "ME|X" + "XX")
_TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".sh", ".txt", ".cfg", ""}


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, str]:
    """Every small text file that git tracks or would track, by its path."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout: there is no list of the project's own files")
    names = [name for name in listing.stdout.decode().split("\0") if name]
    found = {}
    for name in names:
        path = root / name
        if path.is_file() and path.suffix in _TEXT and path.stat().st_size < 1_000_000:
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def _lines(texts: dict[str, str], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_path_of_one_machine(texts: dict[str, str]) -> None:
    assert not _lines(texts, _HOMES) + _lines(texts, _ROOTS)


def test_debt_names_its_issue(texts: dict[str, str]) -> None:
    assert not _lines(texts, _DEBT)


def test_no_conflict_of_a_merge_is_left(texts: dict[str, str]) -> None:
    assert not _lines(texts, re.compile(r"^(?:<{7}|>{7}) "))


def test_file_names_are_plain(texts: dict[str, str]) -> None:
    wrong = [name for name in texts if not re.fullmatch(r"[A-Za-z0-9_./-]+", name)]
    assert not wrong
