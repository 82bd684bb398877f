"""Dialogues of several turns about an image in any language, as in the paper's Figures 4 and 5."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from palo import languages, storage
from palo.errors import DataError
from palo.images.image_folder import ImageFolder
from palo.scenes.draw import draw_scene, png_bytes
from palo.scenes.phrase_book import phrase_book
from palo.scenes.questions import all_facts
from palo.scenes.scene import Scene, sample_scene_of

_FIELDS = {"language", "image", "questions"}
_NUM_QUESTIONS = 2


class DialogueSession(Protocol):
    """One conversation at a time, as `ChatSession` and `EndpointSession` hold it."""

    def show(self, image: Path) -> None:
        """Starts a new conversation about another image.

        Args:
            image: The image file.
        """

    def ask(self, question: str, /) -> Iterator[str]:
        """Streams the answer, and remembers question and answer.

        Args:
            question: The user's question.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptedDialogue:
    """The questions of a dialogue about an image.

    Attributes:
        language: ISO 639-1 code.
        image: The image.
        questions: At least one.
    """

    language: str
    image: Path
    questions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueTranscript:
    """A dialogue with its answers.

    Attributes:
        dialogue: The questions.
        answers: One for each.
    """

    dialogue: ScriptedDialogue
    answers: tuple[str, ...]


def read_dialogues(path: Path, images: Path) -> list[ScriptedDialogue]:
    """Reads dialogues from JSON lines, each an object of language, image and a list of questions.

    Args:
        path: The file.
        images: Folder that its image paths start from.

    Raises:
        DataError: If there is none, or a line is wrong.
        ImageError: If a line's image is outside the folder.
        StorageError: If the file can't be read or is not JSON lines.
    """
    found = [_dialogue(row, images, f"{path}:{n}") for n, row in storage.read_json_lines(path)]
    if not found:
        raise DataError("there are no dialogues", seen=path, fix="Name a file with JSON lines.")
    return found


def _dialogue(row: object, images: Path, place: str) -> ScriptedDialogue:
    if not isinstance(row, dict) or set(row) != _FIELDS:
        raise DataError(
            f"{place} is no dialogue",
            seen=str(row)[:60],
            fix="A line is an object with language, image and questions.",
        )
    questions = row["questions"]
    if not isinstance(questions, list) or not all(isinstance(q, str) and q for q in questions):
        raise DataError(f"{place} has no list of questions", seen=questions, fix="Give texts.")
    if not questions or not languages.known(str(row["language"])):
        raise DataError(
            f"{place} needs a known language and a question",
            seen=f"{row['language']}, {len(questions)} questions",
            fix=f"Languages are {', '.join(languages.codes())}.",
        )
    return ScriptedDialogue(
        language=row["language"],
        image=ImageFolder(images).find(str(row["image"])),
        questions=tuple(questions),
    )


def scene_dialogues(folder: Path, num_scenes: int, seed: int) -> list[ScriptedDialogue]:
    """Draws scenes that no model was trained on, each with a dialogue in every language.

    Args:
        folder: Folder of their images.
        num_scenes: How many.
        seed: Seed of the scenes.
    """
    storage.ensure_folder(folder)
    generator = random.Random(seed)  # noqa: S311 - drawing is no cryptography
    found = []
    for number in range(num_scenes):
        scene = sample_scene_of(generator, held_out=True)
        image = folder / f"scene-{number}.png"
        storage.write_bytes(image, png_bytes(draw_scene(scene, generator)))
        found += [
            ScriptedDialogue(language=code, image=image, questions=_questions(scene, code))
            for code in languages.codes()
        ]
    return found


def _questions(scene: Scene, code: str) -> tuple[str, ...]:
    book = phrase_book(code)
    # One question of each kind: two about colours would show less.
    kinds = {facts.kind: facts for facts in all_facts(scene)}
    chosen = list(kinds.values())[:_NUM_QUESTIONS]
    return (book.ask_description(), *(book.ask(facts) for facts in chosen))


def hold_dialogues(
    dialogues: Sequence[ScriptedDialogue],
    session_of: Callable[[str], DialogueSession],
    on_dialogue: Callable[[], object] = lambda: None,
) -> list[DialogueTranscript]:
    """Holds dialogues.

    Args:
        dialogues: Images and questions.
        session_of: Returns a session for a language.
        on_dialogue: Called after each.

    Raises:
        PaloError: Errors of the sessions.
    """
    held = []
    for dialogue in dialogues:
        session = session_of(dialogue.language)
        session.show(dialogue.image)
        answers = tuple("".join(session.ask(question)) for question in dialogue.questions)
        held.append(DialogueTranscript(dialogue=dialogue, answers=answers))
        on_dialogue()
    return held
