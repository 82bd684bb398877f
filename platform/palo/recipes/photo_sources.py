"""From a folder of captioned photos to sources of both stages, in LLaVA's format.

For photos that people have described in a few sentences each, such as COCO's. Some photos are held
out of both stages, to measure there whether a model looks.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import storage
from palo.config import check
from palo.errors import DataError

_PLACE = "<image>"
# Captions are in English, so the questions to them are too.
LANGUAGE = "en"
QUESTION = "Describe this photo in one sentence."
_QUESTIONS = (
    QUESTION,
    "What does this photo show?",
    "Give this image a short caption.",
    "What is going on in this image?",
    "Tell me in one sentence what you see here.",
    "What would you write below this photo?",
)
_FOLLOW_UPS = (
    "Say it in other words.",
    "How would somebody else describe it?",
    "Give me another caption for it.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoSettings:
    """How captioned photos are shared out.

    Attributes:
        num_heldout_photos: Photos that neither stage sees.
        seed: Seed of the choice of photos, of the order and of the questions' wording.
    """

    num_heldout_photos: int = 22
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.num_heldout_photos < 2:
            yield f"num_heldout_photos is {self.num_heldout_photos} but must be at least 2"


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoSources:
    """The files that were written; image paths in them are those of the captions' file.

    Attributes:
        captions: JSON lines for the pretrain stage.
        instructions: JSON lines for the finetune stage.
        heldout: JSON lines of id, image, caption and language, of photos that no stage sees.
        num_captions: Lines of `captions`.
        num_instructions: Lines of `instructions`.
        num_heldout: Lines of `heldout`.
        num_train_photos: Photos of both stages.
        num_heldout_photos: Photos of `heldout`.
    """

    captions: Path
    instructions: Path
    heldout: Path
    num_captions: int
    num_instructions: int
    num_heldout: int
    num_train_photos: int
    num_heldout_photos: int


@dataclass(frozen=True, slots=True)
class _Photo:
    name: str
    image: str
    captions: tuple[str, ...]


def write_photo_sources(path: Path, folder: Path, settings: PhotoSettings) -> PhotoSources:
    """Writes the sources of both stages and the held-out captions.

    Equal files and settings write equal bytes.

    Args:
        path: JSON lines with `id`, `image` and `captions`, a list of text.
        folder: Where to write captions.jsonl, instructions.jsonl and heldout.jsonl.
        settings: How the photos are shared out.

    Raises:
        ConfigError: If the settings are wrong.
        DataError: If a line is no captioned photo, or too few photos are left for training.
        StorageError: If a file can't be read or written.
    """
    check(settings)
    photos = _read(path)
    if len(photos) <= settings.num_heldout_photos:
        raise DataError(
            f"{path} leaves no photo for training",
            seen=f"{len(photos)} photos, {settings.num_heldout_photos} held out",
            fix="Hold out fewer, or give more photos.",
        )
    rng = random.Random(settings.seed)  # noqa: S311 - no secret
    rng.shuffle(photos)
    heldout, train = photos[: settings.num_heldout_photos], photos[settings.num_heldout_photos :]
    rows = {
        "captions": _captions(train, rng),
        "instructions": _instructions(train, rng),
        "heldout": _heldout(heldout),
    }
    storage.ensure_folder(folder)
    for name, lines in rows.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        storage.write_text(folder / f"{name}.jsonl", text)
    return PhotoSources(
        captions=folder / "captions.jsonl",
        instructions=folder / "instructions.jsonl",
        heldout=folder / "heldout.jsonl",
        num_captions=len(rows["captions"]),
        num_instructions=len(rows["instructions"]),
        num_heldout=len(rows["heldout"]),
        num_train_photos=len(train),
        num_heldout_photos=len(heldout),
    )


def _read(path: Path) -> list[_Photo]:
    rows = storage.read_json_lines(path)
    return [_photo(row, f"{path}, line {number}") for number, row in rows]


def _photo(row: Any, place: str) -> _Photo:  # noqa: ANN401 - JSON values
    try:
        captions = tuple(" ".join(text.split()) for text in row["captions"])
        photo = _Photo(str(row["id"]), row["image"], captions)
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            "a line is no captioned photo",
            seen=f"{place}: {type(error).__name__} {error}",
            fix="Each line needs id, image and captions.",
        ) from error
    if not captions or not all(captions):
        raise DataError("a photo has no caption, or an empty one", seen=place)
    return photo


def _captions(photos: list[_Photo], rng: random.Random) -> list[dict[str, object]]:
    """One caption in each row: the plain template takes one."""
    rows = [
        _row(photo, str(number), [(QUESTION, caption)])
        for photo in photos
        for number, caption in enumerate(photo.captions)
    ]
    rng.shuffle(rows)
    return rows


def _instructions(photos: list[_Photo], rng: random.Random) -> list[dict[str, object]]:
    """One row with two rounds for each photo, and one row for each of its other captions."""
    rows = []
    for photo in photos:
        captions = list(photo.captions)
        rng.shuffle(captions)
        rounds = [[(rng.choice(_QUESTIONS), caption)] for caption in captions]
        if len(rounds) > 1:
            rounds[0].append((rng.choice(_FOLLOW_UPS), captions[1]))
            del rounds[1]
        rows += [_row(photo, str(number), part) for number, part in enumerate(rounds)]
    rng.shuffle(rows)
    return rows


def _heldout(photos: list[_Photo]) -> list[dict[str, object]]:
    """Every photo's first caption, then every second one: neighbours show different photos."""
    most = max(len(photo.captions) for photo in photos)
    return [
        {
            "id": f"{photo.name}-{number}",
            "image": photo.image,
            "caption": photo.captions[number],
            "language": LANGUAGE,
        }
        for number in range(most)
        for photo in photos
        if number < len(photo.captions)
    ]


def _row(photo: _Photo, suffix: str, rounds: list[tuple[str, str]]) -> dict[str, object]:
    turns = []
    for number, (question, answer) in enumerate(rounds):
        words = question if number else f"{_PLACE}\n{question}"
        turns.append({"from": "human", "value": words})
        turns.append({"from": "gpt", "value": answer})
    return {
        "id": f"{photo.name}-{suffix}",
        "image": photo.image,
        "language": LANGUAGE,
        "conversations": turns,
    }
