"""What to score on a bench: the models, the judge, what is required."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from tyro.conf import Positional

from palo import languages
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError
from palo.evaluate.judging.scheme import Form
from palo.evaluate.judging.settings import JudgeSettings
from palo.evaluate.thresholds import Requirement, read_requirements

Kind = Literal["server", "file", "checkpoint"]


class NamedModel(NamedTuple):
    """A model that answers.

    Attributes:
        name: What reports call it.
        source: Where its answers come from.
        kind: What that is.
    """

    name: str
    source: str
    kind: Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRun:
    """Scores models on a bench, beside one another and beside the paper.

    Attributes:
        bench: Name of the bench.
        folder: Where its files lie.
        models: NAME=SOURCE each. A source is the folder of a run or stage; a server and its model,
            http://host:port/v1#model; or a file of answers in LLaVA's form, with {language} or
            {code} in its path where there is one for each language.
        output: Where the report, answers and judgments go; runs/scores/BENCH by default.
        languages: ISO 639-1 codes; all that the folder has by default.
        max_tokens: Most tokens of an answer.
        name_language: Tells servers the language wanted in the request field `language`.
        key_env: Environment variable with the API key of the server that answers. Where models are
            on several servers, NAME=VARIABLE for each model that needs one. By default,
            OPENAI_API_KEY goes to OpenAI and to the server of OPENAI_BASE_URL, and to no other.
        num_workers: Copies of each checkpoint.
        in_flight: Requests to a server at a time.
        judge_url: Server of the judge, up to and with /v1; nothing is judged without it.
        judge_model: Name of the judge there, the dated version and not an alias.
        judge_key_env: Environment variable with the judge's API key, by default as above.
        allow_insecure_http: Sends keys over http:// to other machines, too.
        judge_form: json for structured output, lines for judges without it.
        judge_repeats: How often each order is asked, to see how far the judge agrees with itself.
        judge_timeout_s: Longest wait for one judgment, in seconds.
        judge_max_calls: Most requests to the judge in this run.
        judge_ask_again: Asks once more where an earlier run got no verdict.
        require: What every model must reach, such as "avg_low>=55 fidelity>=0.98".
        seed: Seed of intervals and tests.
    """

    bench: Positional[str]
    folder: Positional[Path]
    models: tuple[str, ...] = ()
    output: Path | None = None
    languages: tuple[str, ...] = ()
    max_tokens: int = 1024
    name_language: bool = False
    key_env: tuple[str, ...] = ()
    num_workers: int = 1
    in_flight: int = 64
    judge_url: str = ""
    judge_model: str = ""
    judge_key_env: str | None = None
    allow_insecure_http: bool = False
    judge_form: Form = "json"
    judge_repeats: int = 1
    judge_timeout_s: float = 120.0
    judge_max_calls: int | None = None
    judge_ask_again: bool = False
    require: str = ""
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is wrong or contradicts itself."""
        if not self.models:
            yield "models is empty: give at least one NAME=SOURCE"
        names = [text.partition("=")[0] for text in self.models]
        for text in self.models:
            name, sign, source = text.partition("=")
            if not (name.strip() and sign and source):
                yield f"model {text!r} must be written NAME=SOURCE"
            elif source.startswith("http") and "#" not in source:
                yield f"model {name} needs its name on the server behind #: {source}#model"
            if not set(name).isdisjoint('/\\:*?"<>|'):
                yield f"the name of model {name!r} can't be that of a file"
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield f"two models have one name: {', '.join(twice)}"
        for code in self.languages:
            if not languages.known(code):
                yield f"language {code!r} is not one of {', '.join(languages.codes())}"
        if bool(self.judge_url) != bool(self.judge_model):
            yield "judge_url and judge_model go together"
        yield from self._server_faults()
        if (judge := self.judge()) is not None:
            yield from judge.endpoint.faults()
            yield from judge.faults()
        for name in ("max_tokens", "num_workers", "in_flight"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        try:
            self.requirements()
        except ConfigError as error:
            yield str(error)

    def _server_faults(self) -> Iterator[str]:
        servers = [m for m in self.named_models() if m.kind == "server" and "#" in m.source]
        hosts = {urlsplit(model.source).netloc for model in servers}
        variables = self._key_variables()
        if "" in variables and len(hosts) > 1:
            yield (
                f"key_env gives one key to {len(hosts)} servers: write NAME=VARIABLE for each "
                "model that needs a key"
            )
        if unknown := sorted(set(variables) - {"", *(model.name for model in servers)}):
            yield f"key_env names models that are on no server: {', '.join(unknown)}"
        for model in servers:
            yield from (f"model {model.name}: {fault}" for fault in self.server(model).faults())

    def _key_variables(self) -> dict[str, str]:
        """Returns environment variables by the models they are for; "" stands for any model."""
        pairs = (text.rpartition("=") for text in self.key_env)
        return {name: variable for name, _, variable in pairs}

    def server(self, model: NamedModel) -> EndpointSettings:
        """Returns the server of a model that is on one."""
        url, _, name = model.source.rpartition("#")
        variables = self._key_variables()
        return EndpointSettings(
            url=url,
            model=name,
            key_env=variables.get(model.name, variables.get("")),
            allow_insecure_http=self.allow_insecure_http,
            in_flight=self.in_flight,
        )

    def judge(self) -> JudgeSettings | None:
        """Returns the judge, if one is named."""
        if not (self.judge_url and self.judge_model):
            return None
        return JudgeSettings(
            endpoint=EndpointSettings(
                url=self.judge_url,
                model=self.judge_model,
                key_env=self.judge_key_env,
                allow_insecure_http=self.allow_insecure_http,
                in_flight=self.in_flight,
                timeout_s=self.judge_timeout_s,
                max_calls=self.judge_max_calls,
            ),
            form=self.judge_form,
            repeats=self.judge_repeats,
            ask_again=self.judge_ask_again,
        )

    def requirements(self) -> tuple[Requirement, ...]:
        """Returns what every model must reach."""
        return read_requirements(self.require) if self.require.strip() else ()

    def named_models(self) -> list[NamedModel]:
        """Returns the models."""
        found = []
        for text in self.models:
            name, _, source = text.partition("=")
            kind: Kind = "checkpoint"
            if source.startswith(("http://", "https://")):
                kind = "server"
            elif source.endswith(".jsonl"):
                kind = "file"
            found.append(NamedModel(name, source, kind))
        return found
