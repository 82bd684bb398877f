"""Holds dialogues of several turns in many languages and shows them on one page.

    python jobs/gallery.py runs/quickstart
    python jobs/gallery.py runs/mine --dialogues mine.jsonl --images photos
    python jobs/gallery.py --endpoint http://127.0.0.1:8000 --name MODEL --dialogues mine.jsonl ...

Without --dialogues scenes are drawn and asked about in every language. A line of such a file:
{"language": "ur", "image": "a.jpg", "questions": ["...", "..."]}. An endpoint's key comes from
PALO_API_KEY.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from palo import command, config
from palo.store import found_path, lasting_path

if TYPE_CHECKING:
    from palo.evaluate.dialogues import DialogueSession

_KEY = "PALO_API_KEY"


@dataclass(frozen=True, kw_only=True, slots=True)
class GallerySettings:
    """Shows dialogues with a model on a page.

    Attributes:
        model: Folder of a run or of a finished stage, or any checkpoint that can be imported.
        endpoint: Address of a server to ask instead.
        name: The endpoint's model; its first one by default.
        allow_insecure_http: Sends the key over http:// to another machine, too.
        dialogues: JSON lines of language, image and questions.
        images: Folder that their image paths start from; that of the dialogues by default.
        scenes: How many scenes are drawn where no dialogues are named.
        max_tokens: Most tokens of an answer.
        output: The page.
        seed: Seed of the scenes.
    """

    model: Positional[Path] = Path("runs/quickstart")
    endpoint: str | None = None
    name: str | None = None
    allow_insecure_http: bool = False
    dialogues: Path | None = None
    images: Path | None = None
    scenes: int = 2
    max_tokens: int = 256
    output: Path = Path("runs/gallery/index.html")
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("scenes", "max_tokens"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, it must be at least 1"
        if self.images is not None and self.dialogues is None:
            yield "images goes with dialogues"


def main(arguments: list[str]) -> None:
    """Holds the dialogues and writes the page."""
    settings = command.override(GallerySettings(), arguments, "jobs/gallery.py")
    config.check(settings)
    from tqdm import tqdm

    from palo.evaluate.dialogues import hold_dialogues, read_dialogues, scene_dialogues
    from palo.evaluate.reports.gallery import write_gallery

    output = lasting_path(settings.output, on_disk=True)
    if settings.dialogues is None:
        sessions = _sessions(settings)  # a wrong model is told before anything is drawn
        dialogues = scene_dialogues(output.parent / "scenes", settings.scenes, settings.seed)
    else:
        folder = settings.images or settings.dialogues.parent
        dialogues = read_dialogues(settings.dialogues, folder)
        sessions = _sessions(settings)
    with tqdm(total=len(dialogues), desc="dialogues") as bar:
        transcripts = hold_dialogues(dialogues, sessions, on_dialogue=bar.update)
    write_gallery(output, settings.name or settings.model.name, transcripts)
    print(f"Gallery: {output}")


def _sessions(settings: GallerySettings) -> "Callable[[str], DialogueSession]":
    """Returns a function from language to session; a folder's model has one session for all."""
    if settings.endpoint is None:
        from palo.checkpoint.importing import open_model
        from palo.evaluate.chat_session import ChatSession
        from palo.evaluate.generation import load_for_answers

        folder = found_path(settings.model)
        trained = load_for_answers(open_model(folder))
        session = ChatSession(trained, max_new_tokens=settings.max_tokens)
        return lambda language: session
    from palo.client import Endpoint
    from palo.client.session import EndpointSession
    from palo.endpoint.credentials import key_of

    endpoint = Endpoint(
        url=settings.endpoint,
        api_key=key_of(_KEY),
        allow_insecure_http=settings.allow_insecure_http,
    )
    config.check(endpoint)
    return cache(
        lambda language: EndpointSession(
            endpoint, model=settings.name, language=language, max_tokens=settings.max_tokens
        )
    )


if __name__ == "__main__":
    command.run_job(main)
