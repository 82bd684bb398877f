"""Stale locks of torch's extensions, such as DeepSpeed's optimizer for offloaded states.

torch compiles and loads an extension under a lock file, and waits for that file without end. A
process that is killed meanwhile leaves it behind, and every later one would hang.
"""

import os
import time
from pathlib import Path

import psutil

_SECOND_LOOK_S = 0.3


def free_build_locks() -> list[Path]:
    """Removes the lock files of torch's extensions that no living process holds.

    Their holder keeps them open for as long as it needs them (torch.utils.file_baton). It closes
    one a moment before it removes it, hence the second look.

    Returns:
        What was removed.
    """
    left_alone = _unheld(set(_build_root().rglob("lock")))
    if not left_alone:
        return []
    time.sleep(_SECOND_LOOK_S)
    stale = sorted(_unheld({path for path in left_alone if path.exists()}))
    for path in stale:
        path.unlink(missing_ok=True)
    return stale


def _build_root() -> Path:
    from torch.utils.cpp_extension import get_default_build_root

    return Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root())


def _unheld(locks: set[Path]) -> set[Path]:
    if not locks:
        return locks
    held: set[str] = set()
    for process in psutil.process_iter():
        try:
            held.update(file.path for file in process.open_files())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # ended meanwhile, or of another user, with extensions of their own
    return {path for path in locks if str(path.resolve()) not in held}
