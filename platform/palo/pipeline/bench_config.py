"""Settings of a bench run: the models, the judge, the requirements."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from tyro.conf import Positional

from palo import languages
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError
from palo.evaluate.judging.requests import JudgeSettings
from palo.evaluate.thresholds import Requirement, read_requirements

ModelKind = Literal["server", "file", "checkpoint"]


class NamedModel(NamedTuple):
    """A model that answers.

    Attributes:
        name: Its name in reports.
        source: Where its answers come from.
        kind: The kind of that source.
    """

    name: str
    source: str
    kind: ModelKind


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRun:
    """Scores models on a bench, beside one another and beside the paper.

    Attributes:
        bench: Name of the bench.
        folder: Folder of its files.
        models: NAME=SOURCE each. A source is the folder of a run or stage; a server and its model,
            http://host:port/v1#model; or a file of answers (.jsonl or .json) in LLaVA's form or
            lmms-eval's, with {language} or {code} in its path where there is one for each language.
        output: Folder of the report, answers and judgments; runs/scores/BENCH by default.
        languages: ISO 639-1 codes; all that the folder has by default.
        max_tokens: Most tokens of an answer, reasoning included.
        temperature: Sampling temperature of servers that answer; 0 decodes greedily. One that
            takes no temperature isn't sent any.
        name_language: Sends servers the language wanted in the request field `language`.
        key_env: Environment variable with the API key of the server that answers. Where models are
            on several servers, NAME=VARIABLE for each model that needs one. By default,
            OPENAI_API_KEY goes to OpenAI and to the server of OPENAI_BASE_URL, and to no other.
        allow_insecure_http: Sends keys over http:// to servers on other machines, too.
        in_flight: Requests to a server that answers at a time.
        num_workers: Copies of each checkpoint.
        judge: The judge; None for none.
        require: Thresholds for every model, such as "avg_low>=55 fidelity>=0.98".
        seed: Seed of intervals and tests.
    """

    bench: Positional[str]
    folder: Positional[Path]
    models: tuple[str, ...] = ()
    output: Path | None = None
    languages: tuple[str, ...] = ()
    max_tokens: int = 1024
    temperature: float = 0.0
    name_language: bool = False
    key_env: tuple[str, ...] = ()
    allow_insecure_http: bool = False
    in_flight: int = 64
    num_workers: int = 1
    judge: JudgeSettings | None = None
    require: str = ""
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is wrong or contradicts itself."""
        yield from self._model_faults()
        for code in self.languages:
            if not languages.known(code):
                yield f"language {code!r} is not one of {', '.join(languages.codes())}"
        if self.judge and bool(self.judge.endpoint.url) != bool(self.judge.endpoint.model):
            yield "judge.endpoint.url and judge.endpoint.model go together"
        yield from self._server_faults()
        for name in ("max_tokens", "num_workers", "in_flight"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if not 0 <= self.temperature <= 2:
            yield f"temperature must be from 0 to 2, not {self.temperature}"
        try:
            self.requirements()
        except ConfigError as error:
            yield str(error)

    def _model_faults(self) -> Iterator[str]:
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
        """Returns environment variables by the model that each is for; "" means any model."""
        pairs = (text.rpartition("=") for text in self.key_env)
        return {name: variable for name, _, variable in pairs}

    def server(self, model: NamedModel) -> EndpointSettings:
        """Returns the server of a model.

        Args:
            model: A model whose kind is server.
        """
        url, _, name = model.source.rpartition("#")
        variables = self._key_variables()
        return EndpointSettings(
            url=url,
            model=name,
            key_env=variables.get(model.name, variables.get("")),
            allow_insecure_http=self.allow_insecure_http,
            in_flight=self.in_flight,
        )

    def requirements(self) -> tuple[Requirement, ...]:
        """Returns the thresholds for every model.

        Raises:
            ConfigError: If they can't be read.
        """
        return read_requirements(self.require) if self.require.strip() else ()

    def named_models(self) -> list[NamedModel]:
        """Returns the models with the kind of each source."""
        found = []
        for text in self.models:
            name, _, source = text.partition("=")
            kind: ModelKind = "checkpoint"
            if source.startswith(("http://", "https://")):
                kind = "server"
            elif source.endswith((".jsonl", ".json")):
                kind = "file"
            found.append(NamedModel(name, source, kind))
        return found


def command_line_default() -> BenchRun:
    """Returns the default of a command line, whose judge has flags but no address yet."""
    judge = JudgeSettings(endpoint=EndpointSettings(url="", model=""))
    return BenchRun(bench="", folder=Path(), judge=judge)


def without_unnamed_judge(run: BenchRun) -> BenchRun:
    """Returns a run without a judge if neither its server nor its model is named.

    Args:
        run: As it was read from the command line.
    """
    endpoint = run.judge.endpoint if run.judge else None
    is_named = endpoint is not None and (endpoint.url or endpoint.model)
    return run if is_named else replace(run, judge=None)
