"""What a translation job is told on its command line."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from palo import languages
from palo.endpoint.settings import EndpointSettings
from palo.translate.backends.backend import Backend
from palo.translate.bulk.back_translation import SecondOpinions
from palo.translate.bulk.bench_questions import BenchQuestions
from palo.translate.bulk.finishing import FinishSettings
from palo.translate.bulk.run import TranslationWork
from palo.translate.bulk.source import Source
from palo.translate.checks.run import CheckSettings
from palo.translate.glossary import read_glossary
from palo.translate.protected_spans.protect import ProtectionSettings

BackendKind = Literal["endpoint", "local", "apertium"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslateJob:
    """Translates conversations, each once, however often the job is stopped and started again.

    Attributes:
        source: LLaVA's format: a JSON array, JSON lines or Parquet, a folder of such files, or a
            pattern that names some; or with --bench the folder of a bench.
        to: ISO 639-1 codes of the languages wanted.
        backend: endpoint: any OpenAI-compatible server. local: a Hugging Face model of one's own.
            apertium: Apertium's command, offline.
        output: The job's folder, on a disk; runs/translations/NAME by default.
        name: Short name of the source; its file's name by default.
        source_language: ISO 639-1 code of rows that don't name theirs.
        licence: Licence of the rows, kept with each record.
        images: Folder of the images; it is written into the list for build_corpus.
        allowed_hosts: Servers that rows may name images on.
        glossary: Files with terms whose translation is settled.
        retries: How often a refused translation is tried again, with the reasons.
        review_share: Share of the accepted translations that people see, too.
        review_all: Sends every translation to review that isn't past it.
        bench: Name of a bench; its questions, answers and captions are translated, all of them
            for review.
        url: Endpoint: address up to and with /v1.
        model: Endpoint: name of the model there. Local: folder of the model.
        key_env: Endpoint: environment variable with the server's API key. By default,
            OPENAI_API_KEY goes to OpenAI and to the server of OPENAI_BASE_URL, and to no other.
        allow_insecure_http: Endpoint: sends the key over http:// to another machine, too.
        in_flight: Endpoint: requests at a time.
        timeout_s: Endpoint: longest wait for one answer.
        attempts: Endpoint: how often a request is sent before its conversation is left for later.
        requests_per_minute: Endpoint: most requests in a minute.
        tokens_per_minute: Endpoint: most tokens in a minute.
        input_price: Endpoint: price of a million tokens of questions.
        output_price: Endpoint: price of a million tokens of answers.
        max_cost: Endpoint: most money for the job, its earlier runs included.
        max_total_tokens: Endpoint: most tokens in this run.
        max_tokens: Most tokens of a translated conversation (endpoint) or turn (local).
        temperature: Endpoint: 0 takes the likeliest words.
        json_mode: Endpoint: asks for JSON by response_format, too.
        adapter: Local: folder of a LoRA adapter for the model.
        workers: Local: copies of the model.
        batch_size: Local: turns that are translated at once.
        round_trip: Has each translation translated back, and compares it with the source.
        second: Another translator, whose translations are compared, of the kinds of `backend`.
        second_url: Its address, if it is an endpoint.
        second_model: Its model: the name at its endpoint, or a folder.
        second_key_env: Environment variable with its API key, as `key_env`.
    """

    source: Positional[Path]
    to: tuple[str, ...]
    backend: BackendKind = "endpoint"
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
    url: str = ""
    model: str = ""
    key_env: str | None = None
    allow_insecure_http: bool = False
    in_flight: int = 64
    timeout_s: float = 120.0
    attempts: int = 6
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    input_price: float = 0.0
    output_price: float = 0.0
    max_cost: float | None = None
    max_total_tokens: int | None = None
    max_tokens: int = 4096
    temperature: float = 0.0
    json_mode: bool = True
    adapter: Path | None = None
    workers: int = 1
    batch_size: int = 16
    round_trip: bool = False
    second: BackendKind | None = None
    second_url: str = ""
    second_model: str = ""
    second_key_env: str | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
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
        yield from self._backend_faults()
        if (other := self._second()) is not None:
            yield from (f"second_{fault}" for fault in other._backend_faults())

    def _backend_faults(self) -> Iterator[str]:
        if self.backend == "endpoint":
            yield from self.endpoint().faults()
        elif self.backend == "local" and not self.model:
            yield "model is empty: name the model's folder"

    def _second(self) -> "TranslateJob | None":
        """Returns the job with the second translator in the place of the first."""
        if self.second is None:
            return None
        return replace(
            self,
            backend=self.second,
            url=self.second_url,
            model=self.second_model,
            key_env=self.second_key_env,
            adapter=None,
            second=None,
        )

    @property
    def needs_ray(self) -> bool:
        """Whether a translator runs on Ray."""
        return "local" in (self.backend, self.second)

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

    def endpoint(self) -> EndpointSettings:
        """Returns the server that is asked."""
        return EndpointSettings(
            url=self.url,
            model=self.model,
            key_env=self.key_env,
            allow_insecure_http=self.allow_insecure_http,
            in_flight=self.in_flight,
            timeout_s=self.timeout_s,
            attempts=self.attempts,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            input_price=self.input_price,
            output_price=self.output_price,
            max_cost=self.max_cost,
            max_total_tokens=self.max_total_tokens,
        )

    def conversations(self) -> Source | BenchQuestions:
        """Returns what is to be translated."""
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
        """Returns what is to be done.

        Raises:
            ConfigError: If a glossary is wrong, or contradicts itself.
            StorageError: If a glossary can't be read.
        """
        backend = self._backend()
        gates = replace(CheckSettings(), retries=self.retries * backend.heeds_reasons)
        other = self._second()
        return TranslationWork(
            source=self.conversations(),
            languages=self.to,
            backend=backend,
            locks=ProtectionSettings(glossary=read_glossary(self.glossary, self.source_language)),
            finishing=FinishSettings(gates=gates, review_all=self.review_all or bool(self.bench)),
            opinions=SecondOpinions(
                round_trip=self.round_trip,
                second=None if other is None else other._backend(),
            ),
        )

    def _backend(self) -> Backend:
        # Each only where it is wanted: they load heavy libraries.
        if self.backend == "endpoint":
            from palo.translate.backends.over_http import HttpTranslation, HttpTranslator

            return HttpTranslator(
                HttpTranslation(
                    endpoint=self.endpoint(),
                    max_tokens=self.max_tokens,
                    temperature=self.temperature,
                    json_mode=self.json_mode,
                )
            )
        if self.backend == "local":
            from palo.translate.backends.local_model import LocalTranslation, LocalTranslator

            return LocalTranslator(
                LocalTranslation(
                    folder=Path(self.model),
                    adapter=self.adapter,
                    num_workers=self.workers,
                    batch_size=self.batch_size,
                    max_new_tokens=self.max_tokens,
                )
            )
        from palo.translate.backends.apertium import ApertiumTranslation, ApertiumTranslator

        return ApertiumTranslator(ApertiumTranslation())
