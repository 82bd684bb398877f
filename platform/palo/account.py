"""The account that a job runs under: any user id of a container, without a name, home or cache.

Libraries ask for all three, and end with a trace, or write into the working folder, without them.
"""

import contextlib
import os
import pwd
import tempfile
from pathlib import Path


def complete_account() -> None:
    """Gives this process and its children a user name, a home and a cache, where they are missing.

    A home or cache that is made up lies in the folder for temporary files, for this user alone.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("LOGNAME", f"user-{os.getuid()}")
    home = Path(os.path.expanduser("~"))  # Path.home raises where there is none
    # Container runtimes give a user without a home the root folder.
    if not home.is_dir() or (home == Path("/") and not is_writable(home)):
        os.environ["HOME"] = str(private_folder("home"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not is_writable(cache):
        os.environ["XDG_CACHE_HOME"] = str(private_folder("cache"))
        os.environ.setdefault("MPLCONFIGDIR", str(private_folder("cache") / "matplotlib"))


def cache_folder() -> Path:
    """Returns the folder for files that can be made again, in the user's cache if there is one."""
    home = os.path.expanduser("~")  # Path.home raises where there is none
    cache = Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache")
    usable = cache.is_absolute() and is_writable(cache)
    return (cache if usable else private_folder("cache")) / "palo"


def is_writable(folder: Path) -> bool:
    """Returns whether a folder can be written, or made.

    Args:
        folder: The folder, which may not exist yet.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is None or not there.is_dir():
        return False
    return os.access(there, os.W_OK | os.X_OK)


def private_folder(name: str) -> Path:
    """Returns a folder of this user alone below that for temporary files; it stays.

    Anybody may make a folder there first: one that is somebody else's, or open to others, is not
    taken.

    Args:
        name: What it is for.
    """
    folder = Path(tempfile.gettempdir()) / f"palo-{name}-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    is_own = folder.is_dir() and not folder.is_symlink() and found.st_uid == os.getuid()
    if is_own and found.st_mode & 0o077 == 0:
        return folder
    return Path(tempfile.mkdtemp(prefix=f"palo-{name}-"))
