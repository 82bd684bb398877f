"""A longer head for a page's HTML: Gradio itself would add to it after its own scripts have run."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class LongerHead:
    """ASGI middleware that puts HTML at the beginning of a page's head.

    Args:
        app: The page, before its answers are compressed.
        head: The HTML.
    """

    def __init__(self, app: ASGIApp, head: str) -> None:
        self._app = app
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        is_http = scope["type"] == "http"
        await self._app(scope, receive, _Sending(send, self._head) if is_http else send)


class _Sending:
    def __init__(self, send: Send, head: bytes) -> None:
        self._send = send
        self._head = head
        self._start: Message | None = None
        self._html = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif self._start is not None:
            self._html += message.get("body", b"")
            if message.get("more_body"):
                return
            self._html = self._html.replace(b"<head>", b"<head>" + self._head, 1)
            MutableHeaders(scope=self._start)["content-length"] = str(len(self._html))
            await self._send(self._start)
            message = {"type": "http.response.body", "body": self._html}
            self._start = None
        await self._send(message)
