"""SHA-256 of large files, computed once on a machine, however many processes ask for it."""

import hashlib
from pathlib import Path

from palo.account import cache_folder
from palo.storage.reading import file_hash, read_text
from palo.storage.staging import staged_hash
from palo.storage.writing import alone_in, write_text

_WAIT_S = 3600.0
_SMALL_BYTES = 16 << 20  # such a file is hashed sooner than looked up


def known_hash(path: Path) -> str:
    """Returns the SHA-256 of a local file as 64 hexadecimal digits.

    That of a large file is kept in the user's cache, by the file's path and node, its size and its
    times of change. A process that asks while another one computes it waits for that.

    Args:
        path: The file.

    Raises:
        StorageError: If it can't be read.
    """
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
