"""Apertium, the translator by rules: offline, free, and asked by its command."""

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from palo import languages
from palo.errors import ConfigError
from palo.translate.backends.backend import Desk, Draft, Lost
from palo.translate.prompts.prompt import facts
from palo.translate.units import Unit

_COMMAND = "apertium"
_UTF8 = {"LC_ALL": "C.UTF-8"}
_PARAGRAPH = "\n\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApertiumTranslation:
    """How Apertium is asked.

    Attributes:
        batch_size: Conversations that go through one process.
        timeout_s: Longest time for one of them.
        most_pairs: Most language pairs in a row, where no pair leads right to a language.
    """

    batch_size: int = 64
    timeout_s: float = 300.0
    most_pairs: int = 2

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("batch_size", "most_pairs"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if self.timeout_s <= 0:
            yield f"timeout_s must be more than 0, not {self.timeout_s}"


class ApertiumTranslator:
    """A backend that needs no model and no network.

    Args:
        settings: How it is asked.
    """

    name = _COMMAND
    heeds_reasons = False

    def __init__(self, settings: ApertiumTranslation) -> None:
        self._settings = settings

    def prompt_hash(self, language: str) -> str:
        """Returns nothing: it follows its rules."""
        return ""

    def translate(self, units: Iterable[Unit], desk: Desk, spent_before: float = 0.0) -> None:
        """Translates conversations, line by line.

        Raises:
            ConfigError: If Apertium isn't installed, or no pairs lead to a language.
        """
        waiting = iter(units)
        while batch := list(islice(waiting, self._settings.batch_size)):
            by_languages: dict[tuple[str, str], list[Unit]] = {}
            for unit in batch:
                by_languages.setdefault((unit.source.language, unit.language), []).append(unit)
            for (source, language), own in by_languages.items():
                for unit, end in zip(own, self._ends(source, language, own), strict=True):
                    desk.on_end(unit, end)

    def _ends(self, source: str, language: str, units: Sequence[Unit]) -> list[Draft | Lost]:
        lines = [line for unit in units for turn in unit.turns for line in turn.text.split("\n")]
        found = [line for line in lines if line.strip()]
        for pair in self._route(source, language):
            translated = self._run(pair, found)
            if isinstance(translated, Lost):
                return [translated] * len(units)
            found = translated
        rest = iter(found)
        # An empty line is a border between paragraphs for Apertium, and needs no translation.
        made = iter([next(rest) if line.strip() else line for line in lines])
        return [
            Draft(
                texts=tuple(
                    "\n".join(islice(made, turn.text.count("\n") + 1)) for turn in unit.turns
                )
            )
            for unit in units
        ]

    def _run(self, pair: str, lines: Sequence[str]) -> list[str] | Lost:
        if not lines:
            return []
        try:
            done = subprocess.run(  # noqa: S603 - names of pairs are those that it told
                [_COMMAND, "-u", pair],
                input=_PARAGRAPH.join([*lines, ""]),
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env=os.environ | _UTF8,
                timeout=self._settings.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Lost(kind="timeout", detail=f"{pair} took {self._settings.timeout_s:g} s")
        found = done.stdout.split(_PARAGRAPH)
        if done.returncode or len(found) != len(lines) + 1:
            detail = done.stderr.strip() or f"{len(found) - 1} lines of {len(lines)}"
            return Lost(kind="bad_response", detail=f"{pair}: {detail[:200]}")
        return [_like(line, made) for line, made in zip(lines, found, strict=False)]

    def _route(self, source: str, language: str) -> list[str]:
        """Returns the names of the fewest pairs that lead from one language to another."""
        waiting = deque([(source, list[str]())])
        seen = {source}
        while waiting:
            place, pairs = waiting.popleft()
            if place == language:
                return pairs
            if len(pairs) < self._settings.most_pairs:
                for (start, end), name in self._pairs.items():
                    if start == place and end not in seen:
                        seen.add(end)
                        waiting.append((end, [*pairs, name]))
        installed = ", ".join(sorted(self._pairs.values())) or "none"
        raise ConfigError(
            f"Apertium has no pairs from {source} to {language}",
            seen=f"installed: {installed}",
            fix="Install one (Debian: apt-get install apertium-eng-spa), or use another backend.",
        )

    @cached_property
    def _pairs(self) -> Mapping[tuple[str, str], str]:
        """Names of the installed pairs by the languages that they lead from and to."""
        if shutil.which(_COMMAND) is None:
            raise ConfigError(
                "Apertium is not installed",
                seen=f"no command {_COMMAND}",
                fix="Install it (Debian: apt-get install apertium apertium-eng-spa).",
            )
        own = {code: known for known in languages.codes() for code in facts(known)["apertium"]}
        listed = subprocess.run(  # noqa: S603 - words of our own
            [_COMMAND, "-l"],
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
            env=os.environ | _UTF8,
        )
        found = {}
        for name in sorted(listed.stdout.split()):
            start, _, end = name.partition("-")
            if start in own and end in own:
                found[own[start], own[end]] = name
        return found


def _like(source: str, line: str) -> str:
    """Gives a translated line the space around it that its source has."""
    begin = source[: len(source) - len(source.lstrip())]
    end = source[len(source.rstrip()) :]
    return f"{begin}{line.strip()}{end}"
