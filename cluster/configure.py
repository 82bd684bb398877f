"""Writes cluster/palo.toml into the files of a cluster: `make cluster`.

python cluster/configure.py            writes, and says which lines have changed
python cluster/configure.py --check    says which lines differ, and ends with 2 if any does
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from palo import storage
from palo.doctor.settings import read_settings
from palo.doctor.stamping import stamp_all
from palo.errors import PaloError

_FOLDER = Path(__file__).parent


def configure(*, check: bool) -> list[str]:
    """Writes the settings into the files.

    Args:
        check: Whether to write nothing.

    Returns:
        The lines that have changed, or would.

    Raises:
        ConfigError: If palo.toml is wrong, or a line names what isn't in it.
    """
    changes = []
    for file in list(stamp_all(read_settings(_FOLDER / "palo.toml"), _FOLDER)):
        changes += [
            f"cluster/{file.path.relative_to(_FOLDER)}:{n}: {line}"
            for n, line in file.changed.items()
        ]
        if file.changed and not check:
            storage.write_text(file.path, file.text)
    return changes


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    try:
        changes = configure(check=options.check)
    except PaloError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(changes) or "all files hold what palo.toml says")
    return 2 if changes and options.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
