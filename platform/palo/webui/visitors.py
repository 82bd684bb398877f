"""Who may come in: the logins of the chat page, and whose request one is."""

import asyncio
import dataclasses
import hashlib
import re
from collections.abc import MutableMapping
from typing import Any, Protocol

from palo.api_errors import APIErrorCode
from palo.client import AsyncChatClient, Endpoint, EndpointError
from palo.webui.texts import page_texts
from palo.webui.tokens import Tokens, Visitor

_MOST_LOGINS = 100
_CONFIRM_S = 3.0
# Whatever server it is for: what can stand in a header, and no longer than any key is.
_KEY = re.compile(r"[\x21-\x7e]{1,512}")


class Authenticator(Protocol):
    """Who may come in, and how they are welcomed."""

    async def admit(self, key: str) -> str:
        """Returns a new visitor's token; raises EndpointError if the key is no good."""

    def visitor(self, token: str | None) -> Visitor[Any] | None:
        """Returns whose token it is; None if it is no good."""

    async def confirm(self, visitor: Visitor[Any]) -> bool:
        """Tells whether a visitor may stay; looks at their key again when it is time."""

    def dismiss(self, token: str | None) -> None:
        """Forgets a visitor."""

    def welcome(self, code: str) -> str:
        """Returns what the login says the page is for, in a language."""


class Visitors(Tokens[str]):
    """Who has logged in, in this process, and with which key.

    Args:
        endpoint: The server whose keys they are.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(_MOST_LOGINS)
        self._endpoint = endpoint

    async def admit(self, key: str) -> str:
        """Returns a new visitor's token.

        Raises:
            EndpointError: If the server doesn't take the key, or can't be asked.
        """
        await self._ask(key)
        return self.give(key, f"sha256:{hashlib.sha256(key.encode()).hexdigest()[:12]}")

    async def is_still_good(self, value: str) -> bool:
        """Tells whether the server still takes a key; one that doesn't answer takes nothing away.

        Args:
            value: The key.
        """
        try:
            async with asyncio.timeout(_CONFIRM_S):
                await self._ask(value)
        except EndpointError as error:
            return error.code is not APIErrorCode.INVALID_API_KEY
        except TimeoutError:
            return True
        return True

    def endpoint(self, visitor: Visitor[str] | None) -> Endpoint:
        """Returns the server with a visitor's key; without one for somebody unknown."""
        return dataclasses.replace(self._endpoint, api_key=visitor.value if visitor else None)

    def welcome(self, code: str) -> str:
        """Returns what the login says the page is for, in a language."""
        return page_texts(code)["about"]

    async def _ask(self, key: str) -> None:
        endpoint = dataclasses.replace(self._endpoint, api_key=key)
        async with AsyncChatClient(endpoint) as client:
            await client.models()


def can_be_key(text: str) -> bool:
    """Tells whether a text may be a key at all, before anybody is asked."""
    return _KEY.fullmatch(text) is not None


def visitor_of(scope: MutableMapping[str, Any]) -> Visitor[Any]:
    """Returns whose request it is, once the gate has let it in."""
    visitor = scope["state"]["visitor"]
    assert isinstance(visitor, Visitor)
    return visitor
