"""Chats that a browser keeps for its visitor, so that a reload doesn't lose them.

What comes back from a browser may be anything. Its texts are only the visitor's own affair, but a
rated answer becomes training data: answers without the seal of this process can't be rated. Images
stay on the server, and come back if the visitor still owns them.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from palo import languages
from palo.serve.chat_page.chat import Chat, ChatBounds, ChatMessage

_LONGEST_NAME = 200
_MAX_CHARACTERS = 600_000


class KeptChats:
    """Writes chats for a browser, and reads them again.

    Args:
        bounds: Bounds of a chat's length.
    """

    def __init__(self, bounds: ChatBounds) -> None:
        self._bounds = bounds
        self._secret = secrets.token_bytes(32)

    def tag(self, owner: str) -> str:
        """Returns what a browser knows the owner of its chats by; it says nothing of their key.

        Args:
            owner: Name of the visitor.
        """
        return hashlib.sha256(f"palo chat {owner}".encode()).hexdigest()[:16]

    def write(self, chats: tuple[Chat, Chat], owner: str) -> str:
        """Returns chats as a browser keeps them.

        Args:
            chats: The chats.
            owner: Name of the visitor.
        """
        told = json.dumps([[_row(part) for part in chat.messages] for chat in chats])
        seal = self._seal(told, owner)
        return json.dumps({"tag": self.tag(owner), "seal": seal, "chats": told})

    def read(
        self, kept: object, owner: str, may_see: Callable[[str], bool]
    ) -> tuple[Chat, Chat] | None:
        """Returns the chats that a browser has kept; None if it has none of this visitor's.

        Args:
            kept: What it sent.
            owner: Name of the visitor.
            may_see: Tells whether a path is an image of the visitor's.
        """
        if not isinstance(kept, str) or len(kept) > _MAX_CHARACTERS:
            return None
        try:
            values = json.loads(kept)
            told = values["chats"]
            if values["tag"] != self.tag(owner) or not isinstance(told, str):
                return None
            rows = json.loads(told)
            is_sealed = hmac.compare_digest(str(values["seal"]), self._seal(told, owner))
            first, second = ([_message(row, is_sealed, may_see) for row in part] for part in rows)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        chats = Chat(messages=tuple(first)), Chat(messages=tuple(second))
        is_good = all(_takes_turns(chat) and not self._bounds.problem(chat) for chat in chats)
        return chats if is_good else None

    def _seal(self, told: str, owner: str) -> str:
        return hmac.new(self._secret, f"{owner}\0{told}".encode(), "sha256").hexdigest()


def _row(message: ChatMessage) -> dict[str, Any]:
    return {
        "role": message.role,
        "text": message.text,
        "image": str(message.image) if message.image is not None else None,
        "gone": message.is_image_gone,
        "model": message.model,
        "language": message.language,
        "unproven": message.is_unproven,
    }


def _message(row: object, is_sealed: bool, may_see: Callable[[str], bool]) -> ChatMessage:
    """Returns a message; raises ValueError if it is none."""
    if not isinstance(row, Mapping) or row.get("role") not in ("user", "assistant"):
        raise ValueError("no message")
    text, model, image = row.get("text"), row.get("model"), row.get("image")
    language = row.get("language")
    if not isinstance(text, str) or not isinstance(model, str) or len(model) > _LONGEST_NAME:
        raise ValueError("no message")
    is_there = isinstance(image, str) and may_see(image) and Path(image).is_file()
    is_known = isinstance(language, str) and languages.known(language)
    return ChatMessage(
        role=row["role"],
        text=text,
        image=Path(str(image)) if is_there else None,
        is_image_gone=not is_there and (image is not None or row.get("gone") is True),
        model=model,
        language=language if is_known else None,
        is_unproven=not is_sealed or row.get("unproven") is True,
    )


def _takes_turns(chat: Chat) -> bool:
    roles = [message.role for message in chat.messages]
    return roles == (["user", "assistant"] * len(roles))[: len(roles)]
