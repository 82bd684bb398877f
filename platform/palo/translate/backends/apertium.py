"""Apertium, a rule-based translator: offline, free, and run as a command."""

import shutil
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice

from palo import languages
from palo.config import fingerprint, to_dict
from palo.errors import ConfigError
from palo.translate.backends.backend import Draft, Translate, TranslationFailure
from palo.translate.backends.batching import batched
from palo.translate.backends.bounded_command import TooLongError, run_command
from palo.translate.prompts.prompt import translator_notes
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
    """How Apertium is run.

    Attributes:
        batch_size: Conversations that go through one process.
        timeout_s: Longest time of one process.
        most_pairs: Most language pairs in a row, where no pair leads directly to a language.
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
        settings: How Apertium is run.
    """

    name = _COMMAND
    accepts_feedback = False

    def __init__(self, settings: ApertiumTranslation) -> None:
        self._settings = settings
        self._pairs: Mapping[tuple[str, str], str] | None = None

    @property
    def concurrency(self) -> int:
        """A batch that is translated, and the next one."""
        return 2 * self._settings.batch_size

    @property
    def settings_hash(self) -> str:
        """Names how Apertium is run."""
        return fingerprint(to_dict(self._settings))

    def prompt_hash(self, language: str) -> str:
        """Returns nothing: Apertium has no prompt.

        Args:
            language: ISO 639-1 code.
        """
        return ""

    @asynccontextmanager
    async def open(
        self, spent_before: float = 0.0, *, has_worked: bool = False
    ) -> AsyncIterator[Translate]:
        """Gives the function to translate with; one process runs at a time.

        Args:
            spent_before: Of no importance: Apertium costs nothing.
            has_worked: Of no importance, likewise.

        Yields:
            The function. It raises ConfigError if Apertium isn't installed, or if no pairs lead to
            a language.
        """
        async with batched([self._batch], self._settings.batch_size) as translate:
            yield translate

    async def _batch(
        self, requests: Sequence[TranslationRequest]
    ) -> list[Draft | TranslationFailure]:
        by_languages: dict[tuple[str, str], list[TranslationRequest]] = {}
        for request in requests:
            pair = request.source.language, request.language
            by_languages.setdefault(pair, []).append(request)
        answers = {pair: iter(await self._apart(*pair, own)) for pair, own in by_languages.items()}
        return [next(answers[request.source.language, request.language]) for request in requests]

    async def _apart(
        self, source: str, language: str, requests: Sequence[TranslationRequest]
    ) -> list[Draft | TranslationFailure]:
        """Translates conversations together, and by halves where one of them spoils the others."""
        answers = await self._together(source, language, requests)
        spoiled = any(
            isinstance(answer, TranslationFailure) and answer.kind == "bad_response"
            for answer in answers
        )
        if not spoiled or len(requests) == 1:
            return answers
        half = len(requests) // 2
        return [
            *await self._apart(source, language, requests[:half]),
            *await self._apart(source, language, requests[half:]),
        ]

    async def _together(
        self, source: str, language: str, requests: Sequence[TranslationRequest]
    ) -> list[Draft | TranslationFailure]:
        lines = [
            line for request in requests for turn in request.turns for line in turn.text.split("\n")
        ]
        found = [line for line in lines if line.strip()]
        for pair in await self._route(source, language):
            translated = await self._run(pair, found)
            if isinstance(translated, TranslationFailure):
                return [translated] * len(requests)
            found = translated
        rest = iter(found)
        # Apertium takes an empty line for the border of a paragraph; it needs no translation.
        made = iter([next(rest) if line.strip() else line for line in lines])
        return [
            Draft(
                texts=tuple(
                    "\n".join(islice(made, turn.text.count("\n") + 1)) for turn in request.turns
                )
            )
            for request in requests
        ]

    async def _run(self, pair: str, lines: Sequence[str]) -> list[str] | TranslationFailure:
        if not lines:
            return []
        text = _PARAGRAPH.join([*lines, ""]).translate(_NO_CONTROLS)
        try:
            # `pair` is a name that Apertium itself has listed.
            done = await run_command(
                [_COMMAND, "-u", pair],
                text,
                timeout_s=self._settings.timeout_s,
                max_bytes=_LEAST_BYTES + _BYTES_A_CHARACTER * len(text),
            )
        except TimeoutError as error:
            return TranslationFailure(kind="timeout", detail=f"{pair}: {error}")
        except TooLongError as error:
            return TranslationFailure(kind="bad_response", detail=f"{pair}: {error}")
        found = done.output.split(_PARAGRAPH)
        if done.code or len(found) != len(lines) + 1:
            detail = done.error or f"{len(found) - 1} lines of {len(lines)}"
            return TranslationFailure(kind="bad_response", detail=f"{pair}: {detail[:200]}")
        return [_like(line, made) for line, made in zip(lines, found, strict=False)]

    async def _route(self, source: str, language: str) -> list[str]:
        """Returns the names of the fewest pairs that lead from one language to another."""
        if self._pairs is None:
            self._pairs = await _installed_pairs()
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


async def _installed_pairs() -> Mapping[tuple[str, str], str]:
    """Returns the names of the installed pairs by the languages that they lead from and to."""
    if shutil.which(_COMMAND) is None:
        raise ConfigError(
            "Apertium is not installed",
            seen=f"no command {_COMMAND}",
            fix="Install it (Debian: apt-get install apertium apertium-eng-spa).",
        )
    own = {code: known for known in languages.codes() for code in translator_notes(known).apertium}
    listed = await run_command([_COMMAND, "-l"], "", timeout_s=60, max_bytes=_LEAST_BYTES)
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
