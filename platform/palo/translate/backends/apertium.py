"""Apertium, the translator by rules: offline, free, and asked by its command."""

import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from palo import languages
from palo.errors import ConfigError
from palo.translate.backends.backend import BackendCallbacks, Draft, Lost
from palo.translate.backends.bounded_command import TooLongError, run_command
from palo.translate.prompts.prompt import facts
from palo.translate.request import TranslationRequest

_COMMAND = "apertium"
_PARAGRAPH = "\n\n"
# No letters: a NUL would end Apertium's own reading of a text.
_NO_CONTROLS = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
# Room for unknown words, which it marks, and for languages that write longer.
_BYTES_A_CHARACTER = 64
_LEAST_BYTES = 1 << 20


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

    def translate(
        self, units: Iterable[TranslationRequest], desk: BackendCallbacks, spent_before: float = 0.0
    ) -> None:
        """Translates conversations, line by line.

        Raises:
            ConfigError: If Apertium isn't installed, or no pairs lead to a language.
        """
        waiting = iter(units)
        while batch := list(islice(waiting, self._settings.batch_size)):
            by_languages: dict[tuple[str, str], list[TranslationRequest]] = {}
            for unit in batch:
                by_languages.setdefault((unit.source.language, unit.language), []).append(unit)
            for (source, language), own in by_languages.items():
                for unit, end in zip(own, self._apart(source, language, own), strict=True):
                    desk.on_end(unit, end)

    def _apart(
        self, source: str, language: str, units: Sequence[TranslationRequest]
    ) -> list[Draft | Lost]:
        """Translates conversations together, and by halves where one of them spoils the others."""
        ends = self._ends(source, language, units)
        spoiled = any(isinstance(end, Lost) and end.kind == "bad_response" for end in ends)
        if not spoiled or len(units) == 1:
            return ends
        half = len(units) // 2
        return [
            *self._apart(source, language, units[:half]),
            *self._apart(source, language, units[half:]),
        ]

    def _ends(
        self, source: str, language: str, units: Sequence[TranslationRequest]
    ) -> list[Draft | Lost]:
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
        text = _PARAGRAPH.join([*lines, ""]).translate(_NO_CONTROLS)
        try:
            # Names of pairs are those that it told.
            done = run_command(
                [_COMMAND, "-u", pair],
                text,
                timeout_s=self._settings.timeout_s,
                max_bytes=_LEAST_BYTES + _BYTES_A_CHARACTER * len(text),
            )
        except TimeoutError as error:
            return Lost(kind="timeout", detail=f"{pair}: {error}")
        except TooLongError as error:
            return Lost(kind="bad_response", detail=f"{pair}: {error}")
        found = done.output.split(_PARAGRAPH)
        if done.code or len(found) != len(lines) + 1:
            detail = done.error or f"{len(found) - 1} lines of {len(lines)}"
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
        listed = run_command([_COMMAND, "-l"], "", timeout_s=60, max_bytes=_LEAST_BYTES)
        found = {}
        for name in sorted(listed.output.split()):
            start, _, end = name.partition("-")
            if start in own and end in own:
                found[own[start], own[end]] = name
        return found


def _like(source: str, line: str) -> str:
    """Gives a translated line the space around it that its source has."""
    begin = source[: len(source) - len(source.lstrip())]
    end = source[len(source.rstrip()) :]
    return f"{begin}{line.strip()}{end}"
