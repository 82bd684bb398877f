"""Other programs: romanisers of real text, and identifiers of languages to compare with."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from identifying.cases import Case

from palo import languages
from palo.errors import DataError

_PROGRAMS = Path(__file__).parent / "programs"
OTHERS = "PALO_LANGUAGE_TOOLS_PYTHON"
"""Environment variable with a Python that has uroman, pypinyin, pykakasi, and identifiers."""

_OF_UROMAN = ("Cyrl", "Arab", "Deva", "Beng")


def python_of_others() -> str | None:
    """Returns the Python that has the other programs, if a variable names one."""
    return os.environ.get(OTHERS) or None


def romanised_cases(python: str, rows: Sequence[Mapping[str, str]]) -> list[Case]:
    """Returns sentences as uroman, pypinyin and pykakasi write them in Latin letters.

    Args:
        python: The Python that has them.
        rows: Parallel sentences.
    """
    known = [language for language in languages.every() if language.code in rows[0]]
    iso = {one.code: one.other_codes[0] for one in known if one.script in _OF_UROMAN}
    texts = {code: [row[code] for row in rows] for code in (*iso, "zh", "ja")}
    made = _run(python, "romanise.py", {"texts": texts, "iso": iso})
    return [Case("romanised", code, text) for code, many in made.items() for text in many]


@dataclass(frozen=True, slots=True)
class Identified:
    """What an identifier found.

    Attributes:
        found: ISO 639-1 code of each text; None where it doesn't say.
        seconds: CPU time of all texts.
    """

    found: tuple[str | None, ...]
    seconds: float


def identified(python: str, cases: Sequence[Case]) -> dict[str, Identified]:
    """Returns what other identifiers find, by their names.

    Args:
        python: The Python that has them.
        cases: The texts.
    """
    found = _run(python, "identify.py", [case.text for case in cases])
    return {
        name: Identified(tuple(one["found"]), float(one["seconds"])) for name, one in found.items()
    }


def _run(python: str, program: str, given: object) -> dict[str, Any]:
    command = [python, str(_PROGRAMS / program)]
    done = subprocess.run(  # noqa: S603
        command, input=json.dumps(given), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DataError(
            f"{program} failed", seen=done.stderr[-500:], fix=f"Correct the Python of {OTHERS}."
        )
    return dict(json.loads(done.stdout))
