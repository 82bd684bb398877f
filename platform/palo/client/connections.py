"""Connections to one server that many askers share, each with a key of their own."""

import dataclasses
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from palo.client.chat_client import AsyncChatClient
from palo.client.endpoint import Endpoint


class SharedConnections:
    """Keeps connections between questions, for the event loop that first asks.

    A new connection for each question would cost time before its first word. The server's cookies
    are dropped: they would carry over from one asker to the next.
    """

    def __init__(self) -> None:
        self._http: httpx.AsyncClient | None = None

    def client(self, endpoint: Endpoint) -> AsyncChatClient:
        """Returns a client that asks with its endpoint's key, over the shared connections.

        Args:
            endpoint: The server, always the same, with the asker's key.

        Raises:
            ConfigError: If the address is wrong, or the key may not be sent there.
        """
        if self._http is None:
            keyless = dataclasses.replace(endpoint, api_key=None)
            cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
            self._http = httpx.AsyncClient(**keyless.client_settings(), cookies=cookies)
        return AsyncChatClient(endpoint, self._http)
