"""Answers that people found good or bad, as records that a corpus can be built of.

    feedback/good.jsonl  bad.jsonl     rows in LLaVA's format, each with its model and time
    feedback/images/                   their pictures, named by their content

`jobs/build_corpus.py` reads good.jsonl with images/ as its pictures' folder. One process writes.
"""

import datetime
import json
import re
from pathlib import Path
from typing import Any, Literal

from palo import config, storage
from palo.serve.client import Picture
from palo.serve.page.talk import Said, Talk

Opinion = Literal["good", "bad"]
_OPINIONS: tuple[Opinion, ...] = ("good", "bad")
# In a record, this word is a picture's place.
_PLACE = "<image>"
_PLACE_AS_WORDS = re.compile(r"<(image)>")


class FeedbackFolder:
    """Where opinions are kept.

    Args:
        folder: The folder; made when the first opinion comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, talk: Talk, position: int, language: str, opinion: Opinion | None) -> None:
        """Keeps what somebody thinks of an answer, in place of what they thought before.

        Args:
            talk: The conversation.
            position: Of the answer in it.
            language: ISO code of the conversation's language.
            opinion: The opinion; None takes it back.

        Raises:
            StorageError: If the folder can't be written.
        """
        row = self._row(talk.said[: position + 1], language)
        for name in _OPINIONS:
            path = self._folder / f"{name}.jsonl"
            rows = [old for _, old in storage.read_json_lines(path)] if path.is_file() else []
            others = [old for old in rows if old["id"] != row["id"]]
            mine = [row] if name == opinion else []
            if len(others) != len(rows) or mine:
                lines = (json.dumps(value, ensure_ascii=False) for value in (*others, *mine))
                storage.write_text(path, "".join(f"{line}\n" for line in lines))

    def _row(self, said: tuple[Said, ...], language: str) -> dict[str, Any]:
        said = _from_last_picture(said)
        row: dict[str, Any] = {
            "language": language,
            "model": said[-1].model,
            "conversations": [_turn(part) for part in said],
        }
        if said[0].picture is not None:
            row["image"] = self._keep_picture(said[0].picture)
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return {"id": config.fingerprint(row), "time": time} | row

    def _keep_picture(self, path: Path) -> str:
        kind = Picture.read(path).media_type.partition("/")[2]
        name = f"{storage.file_hash(path)}.{kind}"
        kept = self._folder / "images" / name
        if not kept.is_file():
            storage.write_bytes(kept, storage.read_bytes(path))
        return name


def _from_last_picture(said: tuple[Said, ...]) -> tuple[Said, ...]:
    """Leaves out what came before the last of several pictures: a record has one at most."""
    pictured = [position for position, part in enumerate(said) if part.picture is not None]
    return said[pictured[-1] :] if pictured else said


def _turn(said: Said) -> dict[str, str]:
    text = _PLACE_AS_WORDS.sub(r"< \1 >", said.text)
    if said.picture is not None:
        text = f"{_PLACE}\n{text}"
    return {"from": "human" if said.role == "user" else "gpt", "value": text}
