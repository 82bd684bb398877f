"""TOML files of people, within bounds that Python's reader lacks."""

import re
import tomllib
from pathlib import Path
from typing import Any

from palo.errors import ConfigError
from palo.storage.reading import read_text

MAX_TOML_BYTES = 4 << 20
"""Largest TOML file that is read."""

# A dotted key costs the reader the square of its parts.
_KEY = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP = re.compile(rf"(?<![\w-]){_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{64}}")


def read_toml(path: Path, fix: str = "Correct it there.") -> dict[str, Any]:
    """Reads a TOML file.

    Args:
        path: The file.
        fix: What to do if it is none.

    Raises:
        ConfigError: If it is no TOML, or is nested too deeply.
        StorageError: If it can't be read, is not UTF-8, or is larger than 4 MiB.
    """
    text = read_text(path, MAX_TOML_BYTES)
    try:
        if _DEEP.search(text):
            raise RecursionError
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path} is not TOML", seen="nested too deeply", fix=fix) from error
    except ValueError as error:  # also a number of thousands of digits
        raise ConfigError(f"{path} is not TOML", seen=f"{error!s:.200}", fix=fix) from error
