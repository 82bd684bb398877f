"""Answers that people rated good or bad, as records that a corpus can be built of.

    feedback/good.jsonl  bad.jsonl     rows in LLaVA's format, each with its model and time
    feedback/images/                   their images, named by their content

`jobs/build_corpus.py` reads good.jsonl with images/ as its images' folder. Rows are appended, and
only a changed rating rewrites a file, atomically. Threads and processes take turns. The folder
holds questions of people: only its owner can read it.
"""

import datetime
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from palo import config, storage
from palo.client import ImageContent
from palo.errors import ResourceError
from palo.serve.chat_page.chat import Chat, ChatMessage
from palo.storage import S3Path
from palo.storage.conditional import read_versioned, write_if

Rating = Literal["good", "bad"]
_RATINGS: tuple[Rating, ...] = ("good", "bad")
_IMAGES = "images"
_TURN_S = 10.0
# In a record, this word is an image's place.
_PLACE = "<image>"
_PLACE_AS_WORDS = re.compile(r"<(image)>")


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackBounds:
    """Bounds of the feedback that is kept.

    Attributes:
        max_ratings_per_day: Most ratings of one visitor in a day, changed ones included.
        max_bytes_per_day: Most bytes that one visitor adds in a day, images included.
        max_rows: Most rows of good answers, and of bad ones.
        max_bytes: Most bytes of the folder, images included.
    """

    max_ratings_per_day: int = 200
    max_bytes_per_day: int = 100 << 20
    max_rows: int = 20_000
    max_bytes: int = 2 << 30

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("max_ratings_per_day", "max_bytes_per_day", "max_rows", "max_bytes"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"


class FeedbackFolder:
    """The folder of ratings. Safe for threads and for several processes.

    Args:
        folder: The folder, on a disk or on S3; made with the first rating.
        bounds: Bounds of its contents.
    """

    def __init__(self, folder: Path, bounds: FeedbackBounds | None = None) -> None:
        self._folder = folder
        self._bounds = bounds or FeedbackBounds()
        self._day = _DailyUse(self._bounds)
        self._turn = threading.Lock()

    def keep(
        self,
        chat: Chat,
        position: int,
        language: str,
        rating: Rating | None,
        visitor: str = "",
    ) -> None:
        """Saves a rating of an answer, in place of the earlier one.

        Args:
            chat: The conversation.
            position: Position of the answer in it.
            language: ISO code of the conversation's language.
            rating: The rating; None removes it.
            visitor: Name of the visitor.

        Raises:
            ResourceError: If there is no more room for it, or another holds the folder for long.
            StorageError: If the folder can't be written.
        """
        messages = _from_last_image(chat.messages[: position + 1])
        image = ImageContent.read(messages[0].image) if messages[0].image is not None else None
        row = _row(messages, language, image)
        data = image.data if image is not None and rating is not None else b""
        with self._turn:
            self._make_private(self._folder)
            with self._alone():
                self._require_room(row, data, visitor)
                if data:
                    self._keep_image(row["image"], data)
                for name in _RATINGS:
                    path = self._folder / f"{name}.jsonl"
                    if isinstance(path, S3Path):
                        self._put_in_store(path, row, wanted=name == rating)
                    else:
                        self._put(path, row, wanted=name == rating)

    def _alone(self) -> AbstractContextManager[None]:
        """Keeps other processes out; on S3, where each write has its condition, nobody waits."""
        if isinstance(self._folder, S3Path):
            return nullcontext()
        return storage.alone_in(self._folder, wait_s=_TURN_S)

    def _require_room(self, row: dict[str, Any], data: bytes, visitor: str) -> None:
        is_new = bool(data) and not (self._folder / _IMAGES / row["image"]).is_file()
        size = len(json.dumps(row, ensure_ascii=False).encode()) + len(data) * is_new
        if size + _size_of(self._folder) > self._bounds.max_bytes:
            raise _full(f"{self._bounds.max_bytes} bytes")
        self._day.add(visitor, size)

    def _put(self, path: Path, row: dict[str, Any], *, wanted: bool) -> None:
        """Makes a file hold a row, or not hold it."""
        if not wanted and not path.is_file():
            return
        with storage.wrap_os_errors("write", path):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        with storage.LineFile(path) as file:
            rows = [old for _, old in file.rows()]
            others = [old for old in rows if old.get("id") != row["id"]]
            is_there = len(others) < len(rows)
            if wanted and not is_there:
                if len(rows) >= self._bounds.max_rows:
                    raise _full(f"{len(rows)} rows")
                file.append(row)
        if is_there and not wanted:
            lines = (json.dumps(value, ensure_ascii=False) for value in others)
            storage.write_text(path, "".join(f"{line}\n" for line in lines))
            path.chmod(0o600)

    def _put_in_store(self, path: S3Path, row: dict[str, Any], *, wanted: bool) -> None:
        """Does what `_put` does, whoever else writes the object at the same time."""
        while True:
            found = read_versioned(path)
            lines = found.data.decode().splitlines() if found is not None else []
            rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
            others = [old for old in rows if old.get("id") != row["id"]]
            if wanted == (len(others) < len(rows)):
                return
            if wanted and len(rows) >= self._bounds.max_rows:
                raise _full(f"{len(rows)} rows")
            text = "".join(map(storage.json_line, [*others, *([row] if wanted else [])]))
            if write_if(path, text.encode(), None if found is None else found.version):
                return

    def _keep_image(self, name: str, data: bytes) -> None:
        path = self._folder / _IMAGES / name
        if not path.is_file():
            self._make_private(path.parent)
            storage.write_bytes(path, data)
            if not isinstance(path, S3Path):
                path.chmod(0o600)

    def _make_private(self, folder: Path) -> None:
        if isinstance(folder, S3Path):  # who may read a bucket, its owner says
            return
        with storage.wrap_os_errors("write to the folder", folder):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)


class _DailyUse:
    """The additions of each visitor today."""

    def __init__(self, bounds: FeedbackBounds) -> None:
        self._bounds = bounds
        self._day = datetime.date.min
        self._added: dict[str, tuple[int, int]] = {}

    def add(self, visitor: str, num_bytes: int) -> None:
        """Counts a rating; raises ResourceError if it is one too many."""
        today = datetime.datetime.now(datetime.UTC).date()
        if today != self._day:
            self._day, self._added = today, {}
        count, size = self._added.get(visitor, (0, 0))
        count, size = count + 1, size + num_bytes
        if count > self._bounds.max_ratings_per_day or size > self._bounds.max_bytes_per_day:
            raise _full(f"{count} ratings of one visitor in a day")
        self._added[visitor] = (count, size)


def _full(seen: str) -> ResourceError:
    return ResourceError(
        "there is no more room for feedback", seen=seen, fix="See the page's `feedback_bounds`."
    )


def _size_of(folder: Path) -> int:
    if isinstance(folder, S3Path):
        return sum(storage.tree_sizes(folder).values())
    with storage.wrap_os_errors("read", folder):
        return sum(
            entry.stat().st_size
            for place in (folder, folder / _IMAGES)
            if place.is_dir()
            for entry in os.scandir(place)
            if entry.is_file()
        )


def _row(
    messages: tuple[ChatMessage, ...], language: str, image: ImageContent | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "language": language,
        "model": messages[-1].model,
        "conversations": [_turn(part) for part in messages],
    }
    if image is not None:
        kind = image.media_type.partition("/")[2]
        row["image"] = f"{hashlib.sha256(image.data).hexdigest()}.{kind}"
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"id": config.fingerprint(row), "time": time} | row


def _from_last_image(messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    """Leaves out what came before the last of several images: a record has one at most."""
    with_image = [position for position, part in enumerate(messages) if part.image is not None]
    return messages[with_image[-1] :] if with_image else messages


def _turn(messages: ChatMessage) -> dict[str, str]:
    text = _PLACE_AS_WORDS.sub(r"< \1 >", messages.text)
    if messages.image is not None:
        text = f"{_PLACE}\n{text}"
    return {"from": "human" if messages.role == "user" else "gpt", "value": text}
