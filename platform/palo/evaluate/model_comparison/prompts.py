"""The prompts of a comparison: from a file, about a folder of images, or about drawn scenes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.errors import DataError
from palo.evaluate.benches.rows import Row, bad_line, read_rows
from palo.evaluate.dialogues import scene_dialogues
from palo.images.image_folder import ImageFolder
from palo.scenes.phrase_book import phrase_book

_WORDS = ("question", "text", "prompt")
_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
_UNKNOWN = "und"


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonPrompt:
    """A question that both models answer.

    Attributes:
        key: Unique among the prompts.
        language: ISO 639-1 code; `und` where it isn't said.
        question: The user's words.
        image: The image file; None for a question without one.
    """

    key: str
    language: str
    question: str
    image: Path | None = None


def read_prompts(path: Path, images: Path | None) -> list[ComparisonPrompt]:
    """Reads prompts.

    Args:
        path: JSON lines with `question` (or `text`, `prompt`), and maybe `language`, `image` and
            `id`, as held-out questions and LLaVA's benches have; or a .txt file with a prompt on
            each line, each of which is asked about every image.
        images: Folder that image paths start from; that of the file by default.

    Raises:
        DataError: If there is none, a line is wrong, or an image is missing.
        ImageError: If a line's image is outside the folder.
        StorageError: If the file can't be read or is not JSON lines.
    """
    if path.suffix == ".txt":
        prompts = list(_plain(path, images))
    else:
        folder = ImageFolder(images or path.parent)
        prompts = [_prompt(row, folder) for row in read_rows(path)]
    if not prompts:
        raise DataError("there are no prompts", seen=path, fix="Name a file with a prompt a line.")
    return prompts


def _plain(path: Path, images: Path | None) -> Iterator[ComparisonPrompt]:
    lines = [line.strip() for line in storage.read_text(path).splitlines()]
    shown: list[Path | None] = [None] if images is None else [*_image_files(images)]
    for image in shown:
        for number, line in enumerate(lines, 1):
            if line:
                key = f"{number}" if image is None else f"{image.name}/{number}"
                yield ComparisonPrompt(key=key, language=_UNKNOWN, question=line, image=image)


def _prompt(row: Row, folder: ImageFolder) -> ComparisonPrompt:
    values = row.values
    words: Any = next((values[name] for name in _WORDS if values.get(name)), None)
    if not isinstance(words, str) or not words.strip():
        raise bad_line(row.path, row.number, "has no question", str(dict(values))[:60])
    language = values.get("language", _UNKNOWN)
    if language != _UNKNOWN and not languages.known(str(language)):
        raise bad_line(row.path, row.number, "has an unknown language", repr(language)[:60])
    image = None
    if (name := values.get("image")) is not None:
        image = folder.find(str(name))
        if not image.is_file():
            raise bad_line(row.path, row.number, "names a missing image", image)
    return ComparisonPrompt(
        key=f"{row.number}", language=str(language), question=words, image=image
    )


def image_prompts(folder: Path) -> list[ComparisonPrompt]:
    """Asks in every language what is in each image of a folder.

    Args:
        folder: The folder.

    Raises:
        DataError: If it holds no image.
        StorageError: If it can't be read.
    """
    return [
        ComparisonPrompt(
            key=f"{image.name}/{code}",
            language=code,
            question=phrase_book(code).ask_description(),
            image=image,
        )
        for image in _image_files(folder)
        for code in languages.codes()
    ]


def _image_files(folder: Path) -> list[Path]:
    with storage.wrap_os_errors("read", folder):
        found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _ENDINGS]
    if not found:
        raise DataError(
            "there are no images", seen=folder, fix=f"They end in {', '.join(_ENDINGS)}."
        )
    return found


def scene_prompts(folder: Path, num_scenes: int, seed: int) -> list[ComparisonPrompt]:
    """Draws scenes that no model was trained on, with questions about each in every language.

    Args:
        folder: Folder of their images.
        num_scenes: How many.
        seed: Seed of the scenes.

    Raises:
        StorageError: If an image can't be written.
    """
    return [
        ComparisonPrompt(
            key=f"{dialogue.image.stem}/{dialogue.language}/{number}",
            language=dialogue.language,
            question=question,
            image=dialogue.image,
        )
        for dialogue in scene_dialogues(folder, num_scenes, seed)
        for number, question in enumerate(dialogue.questions)
    ]
