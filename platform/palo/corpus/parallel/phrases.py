"""What a user says before a text to translate or to go on with: in English, and in the language.

`phrases/<code>.toml` has both wishes in the language itself; a language without a file is asked for
in English alone.
"""

import tomllib
import zlib
from functools import cache
from importlib.resources import files

from palo import languages


@cache
def _own(code: str) -> dict[str, str]:
    path = files("palo.corpus.parallel") / "phrases" / f"{code}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def translation_wish(code: str, key: str) -> str:
    """Returns words that ask for a translation, in English or in the language, by turns.

    Args:
        code: ISO 639-1 code of the language to translate into.
        key: Decides which of both, always the same.
    """
    return _wish(code, key, "translate", f"Translate into {languages.get(code).name}:")


def continuation_wish(code: str, key: str) -> str:
    """Returns words that ask to go on with a text, in English or in its language, by turns.

    Args:
        code: ISO 639-1 code of the text's language.
        key: Decides which of both, always the same.
    """
    return _wish(code, key, "go_on", f"Go on in {languages.get(code).name}:")


def _wish(code: str, key: str, name: str, english: str) -> str:
    return _own(code).get(name, english) if zlib.crc32(key.encode()) & 1 else english
