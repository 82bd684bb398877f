"""SHA-256 of large files, computed once, however many processes ask for it."""

import hashlib
import logging
from pathlib import Path

from palo.account import cache_folder
from palo.errors import StorageError
from palo.storage.reading import file_hash, read_json, read_text
from palo.storage.s3_path import S3Path
from palo.storage.staging import staged_hash
from palo.storage.writing import alone_in, write_json, write_text

_log = logging.getLogger(__name__)
_WAIT_S = 3600.0
_SMALL_BYTES = 16 << 20  # such a file is hashed sooner than looked up


def known_hash(path: Path) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits.

    That of a large file is kept in the user's cache, by the file's path and node, its size and its
    times of change. A process that asks while another one computes it waits for that. On S3 it is
    kept beside the file, by its size and ETag, for all machines.

    Args:
        path: The file.

    Raises:
        StorageError: If it can't be read.
    """
    if isinstance(path, S3Path):
        return _hash_in_store(path)
    if (staged := staged_hash(path)) is not None:
        return staged
    found = path.stat()
    if found.st_size < _SMALL_BYTES:
        return file_hash(path)
    times = (found.st_mtime_ns, found.st_ctime_ns)
    place = (str(path.resolve()), found.st_dev, found.st_ino, found.st_size, *times)
    key = hashlib.sha256(repr(place).encode()).hexdigest()[:24]
    folder = cache_folder() / "hashes" / key
    kept = folder / "sha256"
    if not kept.is_file():
        with alone_in(folder, wait_s=_WAIT_S):
            if not kept.is_file():
                write_text(kept, file_hash(path))
    return read_text(kept)


def _hash_in_store(path: S3Path) -> str:
    found = path.stat()
    if found.st_size < _SMALL_BYTES:
        return file_hash(path)
    kept = path.parent / ".sha256" / f"{path.name}.json"
    stamp = [found.st_size, found.st_mtime_ns]
    known = read_json(kept) if kept.is_file() else {}
    if isinstance(known, dict) and known.get("stamp") == stamp:
        return str(known["sha256"])
    digest = file_hash(path)
    try:
        write_json(kept, {"stamp": stamp, "sha256": digest})
    except StorageError as error:  # weights may lie where this account only reads
        _log.warning("the hash of %s isn't kept: %s", path, error)
    return digest
