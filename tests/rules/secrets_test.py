"""No file of the project holds a key, and none ever did: `make secrets`."""

import math
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

# Written in pieces, so that this file does not find itself.
_KNOWN = re.compile(
    "|".join(
        (
            r"\b(?:AK" + r"IA|AS" + r"IA)[0-9A-Z]{16}\b",
            r"\bs" + r"k-(?:[a-z]+-)*[A-Za-z0-9_-]{24,}",
            r"\bpa" + r"lo-[A-Za-z0-9_-]{40,}",
            r"\bgh" + r"[pousr]_[A-Za-z0-9]{36}",
            r"\bgithub" + r"_pat_[A-Za-z0-9_]{40,}",
            r"\bh" + r"f_[A-Za-z0-9]{30,}",
            r"\bxo" + r"x[abprs]-[A-Za-z0-9-]{20,}",
            r"\bAI" + r"za[A-Za-z0-9_-]{35}",
            r"\bey" + r"J[A-Za-z0-9_-]{20,}\.ey" + r"J[A-Za-z0-9_-]{20,}\.",
            "-----BEGIN (?:[A-Z]+ )*PRIV" + "ATE KEY",
        )
    )
)
_ASSIGNED = re.compile(
    r"""(?i)(?:secret|token|passw(?:or)?d|api_?key|credential)\w*["']?\s*[:=]\s*"""
    r"""["']?([A-Za-z0-9+/=_-]{24,})["']?"""
)
# Invented for tests of former days.
_INVENTED = {"s" + "k-secret-of-mine-0123456789"}
_LONGEST_LINE = 5000
_RANDOM_BITS = 3.8  # a character: words and paths have less, base64 of random bytes has more


def _bits(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _found(text: str) -> list[str]:
    """Returns what looks like a key, shortened so that a report does not spread it."""
    assigned = [value for value in _ASSIGNED.findall(text) if _is_random(value)]
    return [one[:8] + "..." for one in [*(m[0] for m in _KNOWN.finditer(text)), *assigned]]


def _is_random(value: str) -> bool:
    return any(map(str.isdigit, value)) and _bits(value) > _RANDOM_BITS


def _keys_in_files(root: Path) -> dict[str, list[str]]:
    """Returns what looks like a key in the files of a checkout, tracked or not, by their names."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout: there is no list of the project's own files")
    return {
        name: found
        for name in listing.stdout.decode().split("\0")
        if name and (root / name).is_file()
        if (found := _found((root / name).read_bytes().decode("utf-8", "replace")))
    }


def _keys_in_commits(root: Path) -> set[str]:
    """Returns what looks like a key in any line that a commit has added."""
    log = ["git", "log", "-p", "--unified=0", "--no-color", "--no-ext-diff", "HEAD"]
    result = subprocess.run(log, cwd=root, capture_output=True, check=False)
    if result.returncode != 0:
        pytest.skip("not a git checkout: there is no history")
    added = [line[1:] for line in result.stdout.splitlines() if line.startswith(b"+")]
    texts = {line[:_LONGEST_LINE].decode("utf-8", "replace") for line in added}
    suspects = [text for text in texts if not any(known in text for known in _INVENTED)]
    return {key for text in suspects for key in _found(text)}


def test_no_file_holds_a_key(root: Path) -> None:
    assert not _keys_in_files(root)


def test_no_commit_added_a_key(root: Path) -> None:
    assert not _keys_in_commits(root)


def test_a_key_that_is_planted_is_found_in_files_and_in_the_history(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    key = "AK" + "IAIOSFODNN7EXAMPLE"
    git("init", "--initial-branch=main")
    (tmp_path / "tracked.py").write_text(f"KEY = '{key}'\n")
    git("add", "tracked.py")
    git("commit", "-m", "one")
    (tmp_path / "untracked.txt").write_text(key)
    (tmp_path / "ignored.txt").write_text(key)
    (tmp_path / ".gitignore").write_text("ignored.txt\n")
    assert set(_keys_in_files(tmp_path)) == {"tracked.py", "untracked.txt"}
    (tmp_path / "tracked.py").write_text("KEY = None\n")
    git("commit", "--all", "-m", "two")
    assert set(_keys_in_files(tmp_path)) == {"untracked.txt"}
    assert _keys_in_commits(tmp_path) == {f"{key[:8]}..."}


@pytest.mark.parametrize(
    "text",
    [
        "aws_key = AK" + "IAIOSFODNN7EXAMPLE",
        "OPENAI_API_KEY=s" + "k-proj-abcdefghijklmnopqrstuvwx0123",
        "-----BEGIN OPENSSH PRIV" + "ATE KEY-----",
        'token: "' + "q7Zp2mX9vK4tR8wB1nY6" + 'cD3fG5hJ0"',
        "gh" + "p_" + "a1B2" * 9,
    ],
)
def test_a_key_would_be_found(text: str) -> None:
    assert _found(text)


@pytest.mark.parametrize(
    "text",
    ["token = secrets.token_hex(16)", "api_key: str = os.environ['PALO_API_KEY']", "sk-learn"],
)
def test_what_only_speaks_of_keys_is_none(text: str) -> None:
    assert not _found(text)
