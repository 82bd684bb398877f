"""Who works in a folder on S3: an object that its holder renews, and that ends when nobody does.

It is made and renewed by conditional writes (If-None-Match, If-Match), so that of two processes the
store lets one win. Whether it has ended is told by the store's own clock alone. A holder that was
held up for so long that another one took its place is not stopped here: what it writes must be
refused where it is written.
"""

import json
import logging
import os
import platform
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from palo.errors import ResourceError, StorageError
from palo.storage import s3_objects
from palo.storage.conditional import write_if
from palo.storage.s3_path import S3Path
from palo.storage.s3_requests import request, status_of

NAME = ".lock"
"""Name of the object in its folder."""
LEASE_S = 60.0
"""After so many seconds without renewal the folder is free."""
_RENEW_EVERY_S = 15.0
_LOOK_EVERY_S = 1.0
_NOT_IMPLEMENTED = 501
_SHOWN_CHARACTERS = 120
_log = logging.getLogger(__name__)
# Tokens of this process's leases: one that couldn't be given back has ended all the same.
_held: set[str] = set()


@dataclass(frozen=True, slots=True)
class _Lease:
    """A lease as the store has it."""

    etag: str
    age_s: float
    holder: dict[str, Any]

    def __str__(self) -> str:
        known = self.holder
        return (
            f"held by process {known.get('pid')} on {known.get('host')} "
            f"({known.get('command')}), which was there {self.age_s:.0f} s ago"
        )

    @property
    def is_here(self) -> bool:
        """Whether its holder is on this machine, where it can be looked for."""
        return self.holder.get("machine") == _machine()

    @property
    def has_ended(self) -> bool:
        """Whether its holder is gone."""
        return self.age_s >= LEASE_S or (self.is_here and not _is_alive(self.holder))


@contextmanager
def hold(folder: S3Path, wait_s: float) -> Iterator[None]:
    """Gives a folder on S3 to one process for the length of the block.

    A holder that was killed is waited for, a minute at most, and at once where it was on this
    machine. On a store without conditional writes a warning is all there is.

    Args:
        folder: The folder.
        wait_s: How long to wait for a holder that is alive, in seconds.

    Raises:
        ResourceError: If another holder keeps it for all that time.
        StorageError: If the store refuses.
    """
    own = _Own(folder)
    _held.add(own.token)  # before others can see it in the store
    try:
        if not own.take(time.monotonic() + wait_s):
            _log.warning("%s has no locks: let only one process write there", folder)
            yield
            return
        thread = threading.Thread(target=own.keep, name="palo-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            own.ended.set()
            thread.join()
            with suppress(StorageError):  # it ends by itself
                own.give_back()
    finally:
        _held.discard(own.token)


class _Own:
    """This process's lease of a folder."""

    def __init__(self, folder: S3Path) -> None:
        self.ended = threading.Event()
        self._folder = folder
        self._path = folder / NAME
        self._etag = ""
        self._number = 0
        self.token = secrets.token_hex(16)
        self._about = {"token": self.token, **_about_this_process()}

    def take(self, until_s: float) -> bool:
        """Takes the lease; returns False where the store has no conditional writes."""
        try:
            while not self._put(None):
                if (found := self._look()) is None:
                    continue  # it was given back just now
                if self._is_own(found) or self._take_over(found, until_s):
                    return True
            # A store that ignores conditions says yes again.
            return not self._put(None)
        except StorageError as error:
            if _status(error) == _NOT_IMPLEMENTED:
                return False
            raise

    def keep(self) -> None:
        """Renews the lease until it is given back or lost."""
        while not self.ended.wait(_RENEW_EVERY_S):
            with suppress(StorageError):  # away: tried again
                if self._put(self._etag):
                    continue
                found = self._look()
                if found is None or not self._is_own(found):
                    _log.warning("another process has taken over %s", self._folder)
                    return

    def _is_own(self, found: _Lease) -> bool:
        """Whether a write that the store refused had reached it before, its answer being lost."""
        if found.holder.get("token") != self._about["token"]:
            return False
        self._etag = found.etag
        return True

    def _take_over(self, first: _Lease, until_s: float) -> bool:
        """Waits for the end of another's lease and takes it; returns False if it was given back.

        Raises:
            ResourceError: If its holder is alive, and goes on for too long.
        """
        found: _Lease | None = first
        told = False
        while found is not None:
            if found.has_ended:
                if self._put(found.etag):
                    return True
            elif (found.is_here or found.etag != first.etag) and time.monotonic() >= until_s:
                raise ResourceError(
                    "another process is writing in this folder",
                    seen=f"{self._folder}, {found}",
                    fix="Wait until it is done, or name another folder.",
                )
            elif not told:
                _log.warning("waiting for %s, %s", self._folder, found)
                told = True
            time.sleep(_LOOK_EVERY_S)
            found = self._look()
        return False

    def give_back(self) -> None:
        """Ends the lease, unless another process has taken it."""
        found = self._look()
        if found is not None and self._is_own(found):
            s3_objects.delete(self._path.place)

    def _put(self, etag: str | None) -> bool:
        """Writes the lease if the store has this one, or none; returns whether it had.

        Raises:
            StorageError: If the store refuses for another reason.
        """
        self._number += 1  # so that each renewal has an ETag of its own
        body = json.dumps({**self._about, "number": self._number}).encode()
        written = write_if(self._path, body, etag)
        self._etag = written or self._etag
        return written is not None

    def _look(self) -> _Lease | None:
        """Returns the lease that the store has; None if there is none."""
        place = self._path.place
        at = {"Bucket": place.bucket, "Key": place.key}
        try:
            answer, body = request("read", place, lambda s3: _read(s3.get_object(**at)))
        except FileNotFoundError:
            return None
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        now = parsedate_to_datetime(headers["date"])
        try:
            holder = json.loads(body)
        except ValueError:
            holder = {}
        age_s = (now - answer["LastModified"]).total_seconds()
        return _Lease(answer["ETag"].strip('"'), age_s, holder if isinstance(holder, dict) else {})


def _status(error: Exception) -> int:
    return status_of(error.__cause__) if isinstance(error.__cause__, Exception) else 0


def _read(answer: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return answer, answer["Body"].read()


def _about_this_process() -> dict[str, Any]:
    import psutil

    return {
        "pid": os.getpid(),
        "began": psutil.Process().create_time(),
        "machine": _machine(),
        "host": platform.node(),
        "command": " ".join(sys.argv)[:_SHOWN_CHARACTERS],
    }


def _machine() -> str:
    """Names the machine since its last start, and the space of its process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return secrets.token_hex(16)  # equal to none


def _is_alive(holder: dict[str, Any]) -> bool:
    import psutil

    try:
        process = psutil.Process(int(holder["pid"]))
        if process.pid == os.getpid():
            return holder.get("token") in _held
        return abs(process.create_time() - float(holder["began"])) < 1.0
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False
