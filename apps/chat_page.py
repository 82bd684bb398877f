"""The chat page alone, in front of any server that speaks OpenAI's protocol.

    python apps/chat_page.py --endpoint http://127.0.0.1:8000 [--port 7860]

If the server requires keys, so does the page; PALO_API_KEY is used for all visitors.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from palo import command, config
from palo.api_errors import APIErrorCode
from palo.client import ChatClient, Endpoint, EndpointError
from palo.endpoint.credentials import key_of
from palo.errors import ConfigError
from palo.security.forwarded import ProxySettings
from palo.serve.chat_page.settings import PageSettings
from palo.store import lasting_path

_KEY = "PALO_API_KEY"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatPage:
    """The chat page in front of a server.

    Attributes:
        endpoint: Address of the server.
        allow_insecure_http: Sends keys over http:// to another machine, too.
        host: Address to listen on; only this machine can reach the default.
        port: Port to listen on.
        proxy: The reverse proxy in front of the page, if there is one.
        feedback: Folder for the answers that people rated good or bad.
    """

    endpoint: str = "http://127.0.0.1:8000"
    allow_insecure_http: bool = False
    host: str = "127.0.0.1"
    port: int = 7860
    proxy: ProxySettings = field(default_factory=ProxySettings)
    feedback: Path = Path("runs/feedback")

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not 0 < self.port < 65536:
            yield f"port is {self.port} but must be from 1 to 65535"


def main(arguments: list[str]) -> None:
    """Asks the server whether it requires keys, and serves the page until it is stopped."""
    chosen = command.override(ChatPage(), arguments, "chat_page.py")
    config.check(chosen)
    endpoint = Endpoint(
        url=chosen.endpoint,
        api_key=key_of(_KEY),
        allow_insecure_http=chosen.allow_insecure_http,
    )
    config.check(endpoint)
    if endpoint.api_key and not _is_loopback(chosen.host):
        raise ConfigError(
            f"the key of {_KEY} would be lent to everybody who reaches this page",
            seen=chosen.host,
            fix=f"Unset {_KEY}, so that people log in with keys of their own, or use 127.0.0.1.",
        )
    login = _asks_for_keys(endpoint)
    # Imported late: Gradio takes seconds.
    from palo.serve.chat_page.mount import serve_page

    feedback = lasting_path(chosen.feedback)
    print(f"The chat page is at http://{chosen.host}:{chosen.port}", flush=True)
    serve_page(
        PageSettings(endpoint=endpoint, login=login, proxy=chosen.proxy, feedback=feedback),
        host=chosen.host,
        port=chosen.port,
    )


def _asks_for_keys(endpoint: Endpoint) -> bool:
    with ChatClient(endpoint) as client:
        try:
            client.models()
        except EndpointError as error:
            if error.code is not APIErrorCode.INVALID_API_KEY or endpoint.api_key:
                raise
            return True
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    command.run_job(main)
