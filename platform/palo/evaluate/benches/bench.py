"""Benches: questions about images in several languages, read from a folder.

Every module in `sources` with a `SOURCE` is a bench.
"""

import difflib
import hashlib
import json
import os
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal

from palo import languages, storage
from palo.errors import ConfigError, DataError, ImageError
from palo.evaluate.benches import sources

_HASH_DIGITS = 16
_IMAGES = "images"


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchItem:
    """One question about one image, in one language.

    Attributes:
        question_id: Unique in its language.
        language: ISO 639-1 code.
        image: File of the image; a bench may be read and scored without its images.
        category: Group in the scores, such as conv, detail or complex.
        question: The question's text.
        references: One reference answer, all right answers, or captions.
        context: Captions of the image, for a judge.
        objects: Names of the objects in the image; None where they are unknown.
        yes_no: Whether it is a yes/no question, answered in any language and in any sentence; the
            reference is then the English word.
        answer_language: Language that answers should be in; None for the question's.
    """

    question_id: str
    language: str
    image: Path
    category: str
    question: str
    references: tuple[str, ...]
    context: tuple[str, ...] = ()
    objects: tuple[str, ...] | None = None
    answer_language: str | None = None
    yes_no: bool = False

    @property
    def expected_language(self) -> str:
        """ISO 639-1 code of the language that an answer should be in."""
        return self.answer_language or self.language

    @property
    def key(self) -> str:
        """Language and id, unique within the bench."""
        return f"{self.language}/{self.question_id}"

    def content(self) -> list[object]:
        """Returns all of the question but its image's folder, as JSON values."""
        return [
            self.language,
            self.question_id,
            self.image.name,
            self.category,
            self.question,
            list(self.references),
            list(self.context),
            None if self.objects is None else list(self.objects),
            self.answer_language,
        ]


def content_hash(values: object) -> str:
    """Returns the SHA-256 of JSON values as 64 hexadecimal digits.

    Args:
        values: JSON values; equal ones have equal hashes whatever the order of their keys.
    """
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


Task = Literal["judged", "short_answer", "caption"]
Reader = Callable[[Path, str], Iterable[BenchItem] | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchSource:
    """The origin and the file format of a bench.

    Attributes:
        name: Name on the command line.
        title: Name in reports.
        licence: Terms of its questions and answers.
        origin: Where its files are published.
        task: judged: open answers beside a reference answer; short_answer: one of some right
            answers; caption: a caption beside captions by people.
        layout: The files in its folder, for messages.
        read: Reads one language of a folder; returns None if the folder lacks that language.
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
        source: Their origin.
        items: The questions.
        hash: 16 hexadecimal digits over their content.
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


def bench_of(source: BenchSource, items: Iterable[BenchItem]) -> Bench:
    """Returns questions as a bench, named by the hash of their content.

    Args:
        source: Their origin.
        items: At least one question.
    """
    items = tuple(items)
    content = [source.name, [item.content() for item in items]]
    return Bench(source=source, items=items, hash=content_hash(content)[:_HASH_DIGITS])


def read_bench(source: BenchSource, folder: Path, codes: Sequence[str] = ()) -> Bench:
    """Reads a bench.

    Args:
        source: The bench.
        folder: Folder of its files.
        codes: ISO 639-1 codes of the languages wanted; none reads all that the folder has.

    Returns:
        The questions, by language in the registry's order.

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
    return bench_of(source, items)


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
    """Returns whether an image is in a bench's folder, or in the target of its link `images`."""
    place, root = Path(os.path.normpath(image)), Path(os.path.normpath(folder))
    if not place.is_relative_to(root):
        return False
    parts = place.relative_to(root).parts
    count = parts.index(_IMAGES) + 1 if _IMAGES in parts[:-1] else 0
    return storage.lies_within(place, root.joinpath(*parts[:count]))


def check_images(bench: Bench) -> None:
    """Requires all images of a bench.

    Args:
        bench: The questions.

    Raises:
        ImageError: If images are missing: how many, and the first of them.
    """
    images = dict.fromkeys(item.image for item in bench.items)
    missing = [image for image in images if not image.is_file()]
    if missing:
        count = f"{len(missing)} of {len(images)} images are missing"
        raise ImageError(
            f"{bench.source.title}: {count}",
            seen=", ".join(map(str, missing[:3])) + (", ..." if len(missing) > 3 else ""),
            fix=f"Put them there, or name the folder of the bench: {bench.source.layout}.",
        )


@cache
def bench_sources() -> dict[str, BenchSource]:
    """Returns every bench by its name, in alphabetical order."""
    modules = (
        import_module(f"{sources.__name__}.{found.name}")
        for found in pkgutil.iter_modules(sources.__path__)
    )
    found = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]
    return {source.name: source for source in sorted(found, key=lambda source: source.name)}


def bench_source(name: str) -> BenchSource:
    """Returns the bench of a name.

    Args:
        name: Name on the command line.

    Raises:
        ConfigError: If there is none.
    """
    known = bench_sources()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(
            "unknown bench", seen=repr(name), fix=f"{hint}Use one of {', '.join(known)}."
        )
    return known[name]
