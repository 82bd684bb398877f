"""What a bench is, and how one is read from a folder."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from palo import languages, storage
from palo.errors import DataError, ImageError
from palo.evaluate.benches.item import BenchItem, content_hash

Task = Literal["judged", "short_answer", "caption"]
Reader = Callable[[Path, str], Iterable[BenchItem] | None]
_SHOWN = 16
_IMAGES = "images"


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchSource:
    """Where a bench comes from and how its files are read.

    Attributes:
        name: The word for it on the command line.
        title: What people call it.
        licence: Terms of its questions and answers.
        origin: Where its files can be had.
        task: judged: open answers beside a reference answer; short_answer: one of some right
            answers; caption: a caption beside captions of people.
        layout: What its folder holds, in words.
        read: Reads one language of a folder; None if the folder doesn't have that language.
    """

    name: str
    title: str
    licence: str
    origin: str
    task: Task
    layout: str
    read: Reader


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """The questions of a bench.

    Attributes:
        source: Where they come from.
        items: The questions, by language in the registry's order.
        hash: 16 hexadecimal digits that name their content; other content has another hash.
    """

    source: BenchSource
    items: tuple[BenchItem, ...]
    hash: str

    @property
    def codes(self) -> tuple[str, ...]:
        """Its languages, in the registry's order."""
        return tuple(dict.fromkeys(item.language for item in self.items))

    @property
    def categories(self) -> tuple[str, ...]:
        """Its categories, in the order of their first questions."""
        return tuple(dict.fromkeys(item.category for item in self.items))


def read_bench(source: BenchSource, folder: Path, codes: Sequence[str] = ()) -> Bench:
    """Reads a bench.

    Args:
        source: What it is.
        folder: Where its files lie.
        codes: ISO 639-1 codes of the languages wanted; none reads all that the folder has.

    Raises:
        ConfigError: If a language is unknown.
        DataError: If the folder has none of the languages or lacks one that is wanted, or a file
            contradicts itself.
        StorageError: If a file can't be read.
    """
    wanted = [languages.get(code).code for code in codes] or languages.codes()
    items: list[BenchItem] = []
    missing = []
    for code in sorted(wanted, key=languages.codes().index):
        found = source.read(folder, code)
        if found is None:
            missing.append(code)
            continue
        items += _distinct(list(found), folder, code)
    if missing and (codes or not items):
        raise DataError(
            f"{source.title} has no questions in some languages",
            seen=f"{', '.join(missing)} in {folder}",
            fix=f"Its folder holds {source.layout}.",
        )
    content = [source.name, [item.content() for item in items]]
    return Bench(source=source, items=tuple(items), hash=content_hash(content)[:_SHOWN])


def _distinct(items: list[BenchItem], folder: Path, code: str) -> list[BenchItem]:
    seen: set[str] = set()
    for item in items:
        if item.question_id in seen:
            raise DataError(
                f"{folder} has two {code} questions of one id",
                seen=item.question_id,
                fix="Give each question an id of its own.",
            )
        seen.add(item.question_id)
        _require_words(item, folder)
    if not items:
        raise DataError(
            f"the {code} files of {folder} hold no question", fix="Fetch the bench again."
        )
    return items


def _require_words(item: BenchItem, folder: Path) -> None:
    """Raises DataError unless there is a question, an answer, and an image within the folder."""
    words = (item.question, *item.references)
    if not item.references or not all(isinstance(w, str) and w.strip() for w in words):
        raise DataError(
            f"{item.language} question {item.question_id} of {folder} lacks words",
            seen=repr(words)[:80],
            fix="Each question needs words and at least one answer.",
        )
    if not _is_in_bench(item.image, folder):
        raise DataError(
            f"{item.language} question {item.question_id} names an image outside its bench",
            seen=item.image,
            fix=f"Put its images below {folder}.",
        )


def _is_in_bench(image: Path, folder: Path) -> bool:
    """Tells whether an image lies in a bench's folder, or where its `images` is a link to."""
    place, root = Path(os.path.normpath(image)), Path(os.path.normpath(folder))
    if not place.is_relative_to(root):
        return False
    parts = place.relative_to(root).parts
    count = parts.index(_IMAGES) + 1 if _IMAGES in parts[:-1] else 0
    return storage.lies_within(place, root.joinpath(*parts[:count]))


def check_images(bench: Bench) -> None:
    """Raises one ImageError that tells how many images are missing, and some of them."""
    images = dict.fromkeys(item.image for item in bench.items)
    missing = [image for image in images if not image.is_file()]
    if missing:
        count = f"{len(missing)} of {len(images)} images are missing"
        raise ImageError(
            f"{bench.source.title}: {count}",
            seen=", ".join(map(str, missing[:3])) + (", ..." if len(missing) > 3 else ""),
            fix=f"Put them there, or name the folder of the bench: {bench.source.layout}.",
        )
