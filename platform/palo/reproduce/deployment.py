"""The deploy step: an endpoint serves the run's model, and answers questions with images."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from palo import config, storage
from palo.api_errors import APIErrorCode
from palo.checkpoint.lineage_id import read_record, recorded_id
from palo.client import ChatClient, ChatQuestion, Endpoint, EndpointError, ImageContent, user
from palo.errors import ResourceError
from palo.metrics.matching import exact
from palo.progress import duration
from palo.recipes.recipe import Recipe
from palo.reproduce.answers import AskedQuestion, GivenAnswer, GivenAnswers, answers_file
from palo.reproduce.child import start_bound
from palo.reproduce.questions import questions_of
from palo.reproduce.settings import DeploySettings
from palo.reproduce.steps import export_folder
from palo.security.keys import add_key
from palo.terminal import visible

_LOOPBACK = "127.0.0.1"
_LOOK_EVERY_S = 1.0
_SAY_EVERY_S = 30.0
_END_S = 20.0
_MOST_TOKENS = 128


def deploy(recipe: Recipe, settings: DeploySettings, serve: Path) -> None:
    """Waits until an endpoint serves the run's model, asks it, and keeps the answers.

    Without an address an endpoint is started for that on loopback, with a key of its own, and
    ended.

    Args:
        recipe: The run, with its export.
        settings: The endpoint, and what it is asked.
        serve: The script jobs/serve.py.

    Raises:
        ConfigError: If there is no key for the endpoint.
        EndpointError: If a request fails.
        ResourceError: If the endpoint doesn't serve the model in time, or ends before.
    """
    asked = questions_of(recipe, settings)
    wanted = _Wanted(
        run=recipe.output.name,
        lineage=recorded_id(read_record(export_folder(recipe)) or {}) or "",
    )
    with contextlib.ExitStack() as opened:
        if settings.endpoint is not None:
            endpoint = Endpoint(url=settings.endpoint, api_key=settings.key())
            require_running: Callable[[], None] = _runs_elsewhere
        else:
            own = _OwnEndpoint(export_folder(recipe), settings.port, serve)
            endpoint = opened.enter_context(own).endpoint
            require_running = own.require_running
        client = opened.enter_context(ChatClient(endpoint))
        model = _await_model(client, endpoint, wanted, settings.wait_s, require_running)
        given = tuple(_ask(client, model, one) for one in asked)
    answers = GivenAnswers(
        endpoint=endpoint.url,
        lineage_id=wanted.lineage,
        answers=given,
    )
    storage.write_json(answers_file(recipe.output), config.to_dict(answers))


def _runs_elsewhere() -> None:
    """Knows nothing of an endpoint's process."""


class _OwnEndpoint:
    """jobs/serve.py on loopback, with a key that nobody else has; ended with the block.

    Args:
        model: Folder of the model.
        port: Port; 0 for any that is free.
        serve: The script.
    """

    def __init__(self, model: Path, port: int, serve: Path) -> None:
        self._command = [sys.executable, str(serve), str(model), "--no-page", "--num-spares", "0"]
        self._port = port or _free_port()
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> "_OwnEndpoint":
        temporary = tempfile.TemporaryDirectory(prefix="palo-endpoint-")
        folder = Path(self._opened.enter_context(temporary))
        key_file = folder / "keys.json"
        key, _ = add_key(key_file, "reproduce")
        self.endpoint = Endpoint(url=f"http://{_LOOPBACK}:{self._port}", api_key=key)
        self._errors = folder / "errors"
        command = [*self._command, "--access.host", _LOOPBACK, "--port", str(self._port)]
        command += ["--access.key-file", str(key_file)]
        with self._errors.open("wb") as errors:
            # What it prints holds a key of its own, which no log shall have.
            self._process = start_bound(command, subprocess.DEVNULL, errors)
        print(f"deploy  starting an endpoint at {self.endpoint.url}", flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._opened.close()
        print("deploy  the endpoint has ended", flush=True)

    def require_running(self) -> None:
        """Checks that it runs.

        Raises:
            ResourceError: If it has ended.
        """
        if self._process.poll() is None:
            return
        said = self._errors.read_text(encoding="utf-8", errors="backslashreplace").strip()
        code = f"exit code {self._process.returncode}"
        raise ResourceError(
            "the endpoint ended before it served",
            seen=f"{said.splitlines()[-1]} ({code})" if said else code,
            fix="Try the same by hand with jobs/serve.py and the exported model.",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """The model that is waited for.

    Attributes:
        run: Name of the run, which is the model's name at an endpoint that tells no lineages.
        lineage: Id of its lineage, by which an endpoint that follows the newest run is known to
            serve this one, under whatever name; "" if it has none.
    """

    run: str
    lineage: str

    def among(self, lineages: Mapping[str, str]) -> str | None:
        """Returns the name under which it is served, if it is.

        Args:
            lineages: Ids of the lineages of what is served, by name; "" where none is told.
        """
        for name, lineage in lineages.items():
            if lineage and lineage == self.lineage:
                return name
        told = lineages.get(self.run)
        is_other = bool(told and self.lineage)  # the run, as it was trained before
        return None if told is None or is_other else self.run


def _await_model(
    client: ChatClient,
    endpoint: Endpoint,
    wanted: _Wanted,
    wait_s: float,
    require_running: Callable[[], None],
) -> str:
    """Waits until an endpoint serves a model, and returns the name that it has there.

    Raises:
        EndpointError: If it refuses the key.
        ResourceError: If it doesn't in time, or its process ended.
    """
    started = time.monotonic()
    say_at = started + _SAY_EVERY_S
    while True:
        require_running()
        try:
            lineages = client.lineages()
        except EndpointError as error:
            if error.code is APIErrorCode.INVALID_API_KEY:
                raise
            found = error.fact
        else:
            if (model := wanted.among(lineages)) is not None:
                print(f"deploy  {endpoint.url} serves {_named(wanted, model)}", flush=True)
                return model
            found = f"it serves {_listed(lineages)}"
        now = time.monotonic()
        if now - started > wait_s:
            raise ResourceError(
                f"the endpoint doesn't serve {wanted.run} after {duration(wait_s)}",
                seen=f"{endpoint.url}: {found}",
                fix="See whether it reads this store; --deploy.wait-s gives it more time.",
            )
        if now > say_at:
            say_at = now + _SAY_EVERY_S
            print(f"deploy  waiting for {visible(wanted.run)}: {visible(found)}", flush=True)
        time.sleep(_LOOK_EVERY_S)


def _named(wanted: _Wanted, model: str) -> str:
    return visible(wanted.run if model == wanted.run else f"{wanted.run} as {model}")


def _listed(lineages: Mapping[str, str]) -> str:
    shown = (f"{name} ({lineage})" if lineage else name for name, lineage in lineages.items())
    return ", ".join(shown) or "no model"


def _ask(client: ChatClient, model: str, asked: AskedQuestion) -> GivenAnswer:
    question = ChatQuestion(
        model=model,
        messages=(user(asked.question, ImageContent.read(asked.image)),),
        language=asked.language or None,
        temperature=0.0,
        max_tokens=_MOST_TOKENS,
    )
    with client.stream(question) as answer:
        text = "".join(answer).strip()
        state = answer.state
    is_right = exact(text, [asked.right_answer]) if asked.right_answer else None
    mark = "" if is_right is None else "  right" if is_right else f"  not {asked.right_answer}"
    print(visible(f"deploy  {asked.language}  {asked.question}  {text}{mark}"), flush=True)
    return GivenAnswer(
        asked=asked,
        answer=text,
        model=state.model,
        request_id=state.request_id or "",
        is_right=is_right,
        prompt_tokens=state.usage.prompt_tokens if state.usage else None,
        completion_tokens=state.usage.completion_tokens if state.usage else None,
    )
