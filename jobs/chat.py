"""Chat on the terminal in any language: with a finished model, or with one behind an endpoint.

    python jobs/chat.py [stage or run folder] [--image PATH] [--temperature 0] [--max-tokens 256]
    python jobs/chat.py --endpoint http://127.0.0.1:8000 [--name MODEL] [--language ur]

An endpoint is any server that speaks OpenAI's protocol; its key comes from PALO_API_KEY.
Questions may also come from a pipe: echo "How many?" | python jobs/chat.py --image scene.png
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from palo import command, config, languages
from palo.errors import PaloError
from palo.store import found_path
from palo.terminal import one_line, visible

if TYPE_CHECKING:
    from palo.client.session import EndpointSession
    from palo.evaluate.chat_session import ChatSession

    Session = ChatSession | EndpointSession

_KEY = "PALO_API_KEY"
_COMMANDS = "/image PATH shows an image, /new starts anew, /quit ends"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatSettings:
    """Chats with a finished model about an image.

    Attributes:
        model: Folder of a run or of a finished stage, or any checkpoint that can be imported.
        image: Image to start with.
        temperature: 0 is greedy decoding; higher values vary the answers.
        max_tokens: Most tokens of an answer.
        endpoint: Address of a server to ask instead of a folder's model.
        name: The endpoint's model; its first one by default.
        language: ISO code of the language that the endpoint should answer in.
        allow_insecure_http: Sends the key over http:// to another machine, too.
    """

    model: Positional[Path] = Path("runs/quickstart")
    image: Path | None = None
    temperature: float = 0.0
    max_tokens: int = 256
    endpoint: str | None = None
    name: str | None = None
    language: str | None = None
    allow_insecure_http: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.temperature < 0:
            yield f"temperature is {self.temperature} but can't be negative"
        if self.max_tokens < 1:
            yield f"max_tokens is {self.max_tokens} but must be at least 1"
        if self.endpoint is None and (self.name or self.language):
            yield "name and language are said to an endpoint but none is given"
        if self.language is not None and not languages.known(self.language):
            yield f"language is {self.language!r} but must be one of {', '.join(languages.codes())}"


def main(arguments: list[str]) -> None:
    """Loads the model and chats until the user ends it."""
    settings = command.override(ChatSettings(), arguments, "chat.py")
    config.check(settings)
    # The one signal that stops an answer is Ctrl-C.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    session = _open_session(settings) if settings.endpoint is None else _connect(settings)
    interactive = sys.stdin.isatty()
    if interactive:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives input() a history and keys that edit
        print(f"A PALO from {settings.endpoint or settings.model}. {_COMMANDS}.")
    for line in _lines("you   " if interactive else ""):
        if line == "/quit":
            return
        try:
            _run_line(session, line, "PALO  " if interactive else "")
        except PaloError as error:
            if not interactive:
                raise
            print(f"error: {one_line(str(error))}")


def _open_session(settings: ChatSettings) -> "ChatSession":
    import torch

    if not torch.cuda.is_available():
        # Else DeepSpeed, which transformers imports, warns that it finds no GPU.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from transformers.utils import logging

    from palo.checkpoint.importing import open_model
    from palo.evaluate.chat_session import ChatSession
    from palo.evaluate.generation import load_for_answers

    logging.disable_progress_bar()
    folder = found_path(settings.model)
    session = ChatSession(
        load_for_answers(open_model(folder)),
        max_new_tokens=settings.max_tokens,
        temperature=settings.temperature,
    )
    if settings.image is not None:
        session.show(settings.image)
    return session


def _connect(settings: ChatSettings) -> "EndpointSession":
    from palo.client import Endpoint
    from palo.client.session import EndpointSession
    from palo.endpoint.credentials import key_of

    endpoint = Endpoint(
        url=settings.endpoint or "",
        api_key=key_of(_KEY),
        allow_insecure_http=settings.allow_insecure_http,
    )
    config.check(endpoint)
    session = EndpointSession(
        endpoint,
        model=settings.name,
        language=settings.language,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
    )
    if settings.image is not None:
        session.show(settings.image)
    return session


def _lines(prompt: str) -> Iterator[str]:
    """Yields the user's lines, until Ctrl-D, Ctrl-C or the end of the pipe."""
    while True:
        try:
            line = input(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            if prompt:
                print()
            return
        if line:
            yield line


def _run_line(session: "Session", line: str, prefix: str) -> None:
    name, _, rest = line.partition(" ")
    if name == "/new":
        session.restart()
    elif name == "/image":
        image = Path(rest.strip().strip("'\"")).expanduser()
        session.show(image)
        if prefix:
            print(f"{prefix}I see {one_line(image.name)}.")
    elif name.startswith("/"):
        print(f"{name} is no command: {_COMMANDS}.", file=sys.stderr)
    else:
        _print_answer(session, line, prefix)


def _print_answer(session: "Session", question: str, prefix: str) -> None:
    """Streams an answer; Ctrl-C ends the answer, not the chat."""
    print(prefix, end="", flush=True)
    try:
        with contextlib.closing(session.ask(question)) as texts:
            for text in texts:
                print(visible(text), end="", flush=True)
    except KeyboardInterrupt:
        print(" …", end="")
        if not prefix:
            raise
    finally:
        print(flush=True)


if __name__ == "__main__":
    command.run_job(main)
