"""The command line of a translation job."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from palo import languages
from palo.endpoint.ending import limits_of
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError
from palo.translate.backends.apertium import ApertiumTranslation, ApertiumTranslator
from palo.translate.backends.backend import Backend
from palo.translate.backends.local_model import LocalTranslation, LocalTranslator
from palo.translate.backends.over_http import HttpTranslation, HttpTranslator
from palo.translate.bulk.bench_questions import BenchQuestions
from palo.translate.bulk.job import TranslationWork
from palo.translate.bulk.source import Source
from palo.translate.checks.run import CheckSettings
from palo.translate.glossary import read_glossary
from palo.translate.protected_spans.protect import ProtectionSettings

BackendKind = Literal["endpoint", "local", "apertium", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslatorSettings:
    """A translator; only the settings of its own kind count.

    Attributes:
        backend: endpoint: any OpenAI-compatible server. local: a Hugging Face model of one's own.
            apertium: Apertium's command, offline.
        endpoint: The server and its model. Its max_cost is for all runs of the job together.
        generation: How the server generates.
        local: The model of one's own.
        apertium: How Apertium is run.
    """

    backend: BackendKind = "endpoint"
    endpoint: EndpointSettings | None = field(
        default_factory=lambda: EndpointSettings(url="", model="", attempts=6)
    )
    generation: HttpTranslation | None = field(default_factory=HttpTranslation)
    local: LocalTranslation | None = field(
        default_factory=lambda: LocalTranslation(folder=Path(), max_new_tokens=4096)
    )
    apertium: ApertiumTranslation | None = field(default_factory=ApertiumTranslation)

    def faults(self) -> Iterator[str]:
        """Yields what is missing."""
        if self.backend == "local" and self.local is not None and self.local.folder == Path():
            yield "local.folder is empty: name the model's folder"

    def used(self) -> "TranslatorSettings":
        """Returns the settings without those of other kinds, which needn't be right."""
        is_endpoint = self.backend == "endpoint"
        return replace(
            self,
            endpoint=self.endpoint if is_endpoint else None,
            generation=self.generation if is_endpoint else None,
            local=self.local if self.backend == "local" else None,
            apertium=self.apertium if self.backend == "apertium" else None,
        )

    def build(self) -> Backend | None:
        """Returns the translator; None if there is to be none.

        Raises:
            ConfigError: If the folder of a local model holds none.
        """
        used = self.used()
        if used.endpoint is not None and used.generation is not None:
            return HttpTranslator(used.endpoint, used.generation)
        if used.local is not None:
            return LocalTranslator(used.local)
        return None if used.apertium is None else ApertiumTranslator(used.apertium)


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslateJob:
    """Translates conversations, each once, however often the job is interrupted and resumed.

    Attributes:
        source: LLaVA's format: a JSON array, JSON lines or Parquet, a folder of such files, or a
            pattern that names some; or with --bench the folder of a bench.
        to: ISO 639-1 codes of the target languages.
        translator: The translator.
        output: The job's folder, on a disk; runs/translations/NAME by default.
        name: Short name of the source; its file's name by default.
        source_language: ISO 639-1 code of rows that don't name theirs.
        licence: Licence of the rows, kept with each record.
        images: Folder of the images; it is written into the list for build_corpus.
        allowed_hosts: Servers that rows may name images on.
        glossary: Files with terms whose translation is fixed.
        retries: How often a refused translation is tried again, with the reasons.
        review_share: Share of the accepted translations that go to review, too.
        review_all: Sends every translation to review that hasn't been reviewed.
        bench: Name of a bench; its questions, answers and captions are translated, all of them
            for review.
        round_trip: Has each translation translated back, and compares it with the source.
        second: Another translator, whose translations are compared.
    """

    source: Positional[Path]
    to: tuple[str, ...]
    translator: Annotated[TranslatorSettings, arg(name="")] = field(
        default_factory=TranslatorSettings
    )
    output: Path | None = None
    name: str = ""
    source_language: str = "en"
    licence: str = ""
    images: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    glossary: tuple[Path, ...] = ()
    retries: int = 2
    review_share: float = 0.01
    review_all: bool = False
    bench: str = ""
    round_trip: bool = False
    second: TranslatorSettings = field(default_factory=lambda: TranslatorSettings(backend="none"))

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.source == Path():
            yield "source must name a file or a folder (this one by its full path)"
        if not self.to:
            yield "to must name at least one language"
        for code in (*self.to, self.source_language):
            if not languages.known(code):
                yield f"{code!r} is none of {', '.join(languages.codes())}"
        if len(set(self.to)) < len(self.to):
            yield f"to names a language twice: {' '.join(self.to)}"
        if not 0 <= self.review_share <= 1:
            yield f"review_share must be from 0 to 1, not {self.review_share}"
        if self.retries < 0:
            yield f"retries must not be negative, as {self.retries} is"
        if self.translator.backend == "none":
            yield "backend must name a translator"
        if self._limits_first_alone:
            yield "second.endpoint.max_cost must be set, too: each limit is for its own translator"

    @property
    def _limits_first_alone(self) -> bool:
        """Whether a limit of money leaves out the second translator."""
        first, second = self.translator.used().endpoint, self.second.used().endpoint
        if first is None or second is None:
            return False
        return first.max_cost is not None and second.max_cost is None

    def used(self) -> "TranslateJob":
        """Returns the job without the settings of translators that it doesn't use."""
        return replace(self, translator=self.translator.used(), second=self.second.used())

    def limits(self) -> list[str]:
        """Returns the limits of both translators, as they stand on the command line."""
        found: list[str] = []
        for prefix, translator in (("--", self.translator), ("--second.", self.second)):
            if (endpoint := translator.used().endpoint) is not None:
                found += limits_of(endpoint, f"{prefix}endpoint")
        return found

    @property
    def needs_ray(self) -> bool:
        """Whether a translator runs on Ray."""
        return "local" in (self.translator.backend, self.second.backend)

    @property
    def folder(self) -> Path:
        """The job's folder."""
        return self.output or Path("runs") / "translations" / self.short_name

    @property
    def short_name(self) -> str:
        """Name of the source, as sources may be called."""
        given = self.name or self.bench or self.source.stem
        kept = "".join(c if c.isalnum() and c.isascii() else "-" for c in given.lower())
        return kept.strip("-") or "source"

    def conversations(self) -> Source | BenchQuestions:
        """Returns the conversations to translate."""
        if self.bench:
            return BenchQuestions(
                bench=self.bench, folder=self.source, language=self.source_language
            )
        return Source(
            path=self.source,
            name=self.short_name,
            language=self.source_language,
            licence=self.licence,
            allowed_hosts=self.allowed_hosts,
        )

    def work(self) -> TranslationWork:
        """Returns what the job translates, and how.

        Raises:
            ConfigError: If a glossary is wrong or contradicts itself, or there is no translator.
            StorageError: If a glossary can't be read.
        """
        backend = self.translator.build()
        if backend is None:
            raise ConfigError("there is no translator", fix="Choose one with --backend.")
        return TranslationWork(
            source=self.conversations(),
            languages=self.to,
            backend=backend,
            protection=ProtectionSettings(
                glossary=read_glossary(self.glossary, self.source_language)
            ),
            checks=replace(CheckSettings(), retries=self.retries * backend.accepts_feedback),
            review_all=self.review_all or bool(self.bench),
            round_trip=self.round_trip,
            second=self.second.build(),
        )
