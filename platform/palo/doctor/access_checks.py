"""Checks of what a job needs from elsewhere: the cluster's token, and the store."""

import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from palo import storage
from palo.doctor.finding import Finding, fault, good, warning
from palo.errors import PaloError

TOKEN = Path("~/.ray/auth_token")
"""Where Ray keeps the token of its clusters, if RAY_AUTH_TOKEN_PATH doesn't say otherwise."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_token() -> Iterator[Finding]:
    """Yields whether there is a token for clusters that ask for one, for its owner's eyes only."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN).expanduser()
    if os.environ.get("RAY_AUTH_TOKEN"):
        yield good("token", "in RAY_AUTH_TOKEN")
    elif not path.is_file():
        yield warning(
            "token",
            f"{path} is missing: clusters that ask for one refuse this machine",
            "Run ray get-auth-token --generate once, on the machine that starts clusters.",
        )
    elif not path.read_text(encoding="utf-8").strip():
        yield fault("token", f"{path} is empty", "Remove it, and make one again.")
    else:
        yield check_private(path, "token")


def check_private(path: Path, subject: str) -> Finding:
    """Returns whether a file with a secret is its owner's alone.

    Args:
        path: The file.
        subject: What it is, for the finding.
    """
    if not path.is_file():
        return fault(subject, f"{path} is missing", "Name a file that is there.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        text = f"{path} may be read or written by others (mode {mode:04o})"
        return fault(subject, text, f"chmod 600 {path}.")
    return good(subject, str(path))


def check_store() -> Iterator[Finding]:
    """Yields whether the store of PALO_STORE can be written and read, and how fast it answers."""
    place = os.environ.get("PALO_STORE", "").strip()
    if not place:
        yield good("store", "PALO_STORE isn't set: runs lie below the working folder")
        return
    probe = storage.path_of(place) / f".palo-doctor-{secrets.token_hex(8)}"
    word = secrets.token_hex(16)
    began = time.monotonic()
    try:
        storage.write_text(probe, word)
        read = storage.read_text(probe)
        probe.unlink()
    except PaloError as error:
        fix = error.fix or "Check PALO_STORE and your rights."
        yield fault("store", f"{error.fact}: {error.seen}", fix)
        return
    took = time.monotonic() - began
    if read != word:
        yield fault("store", f"{place} gave other bytes than were written", "Don't use it.")
    else:
        yield good("store", f"{place}, written, read and removed in {took:.2f} s")
