"""The files of cluster/proxy in a real nginx: TLS, streams, limits, at a name and below a path."""

import asyncio
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from tests.abuse.endpoints import ANSWER, Coming, handler_of, keyed
from tests.fixtures.browser_pages import served
from tests.fixtures.chat_server import running_chat_server
from tests.fixtures.nginx import free_ports, nginx_program, running_nginx, self_signed

from palo.client import Endpoint
from palo.security.forwarded import ProxySettings, PublicAddress
from palo.security.http_limits import BodyBounds
from palo.serve.chat_page.mount import page_app
from palo.serve.chat_page.settings import PageSettings
from palo.serve.ingress import IngressSettings, build_app
from palo.serve.settings import ServeSettings

FILES = Path(__file__).parents[2] / "cluster" / "proxy"
NAME, KEY = "palo.example", "sk-page"
WAYS = {"a name": "", "a path": "/palo"}
# What is that of the whole site, not of a path of it.
NAMED = pytest.mark.parametrize("proxied", ["a name"], indirect=True)
_ADDRESS = re.compile(r"(?:src|href)=\"(\.?/?[\w./-]+\.(?:js|css))\"")
_PATIENCE_S = 60.0
_SITE = """
server {
    listen 443 ssl;
    server_name palo.example;
    ssl_certificate /etc/letsencrypt/live/palo.example/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/palo.example/privkey.pem;
    location / { return 200 "another site"; }
    include nginx_path.inc;
}
"""


class Gated:
    """A model that says its second piece when the first one was heard."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def __call__(self, ask: object) -> Coming:
        return Coming(self._items())

    async def _items(self) -> Any:
        started, first, last = ANSWER
        yield started
        yield first
        assert await asyncio.to_thread(self.heard.wait, _PATIENCE_S)
        yield last


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxied:
    """An endpoint with its page behind nginx, in one of the ways.

    Attributes:
        browser: A client that resolves the public name to this machine and trusts its certificate.
        prefix: The path below which everything lies.
        direct: Address of the endpoint itself.
        secret: A key of the endpoint.
        model: What answers.
        ports: Those of HTTP and HTTPS.
        certificate: The site's.
    """

    browser: httpx.Client
    prefix: str
    direct: str
    secret: str
    model: Gated
    ports: tuple[int, int]
    certificate: Path

    def ask(self, **values: Any) -> httpx.Request:
        """Returns a question to the endpoint."""
        body = {"model": "palo", "messages": [{"role": "user", "content": "?"}]} | values
        return self.browser.build_request(
            "POST", f"{self.prefix}/v1/chat/completions", json=body, headers=self.authorization()
        )

    def authorization(self) -> dict[str, str]:
        """Returns the header of the key."""
        return {"authorization": f"Bearer {self.secret}"}


async def _told(request: Request) -> JSONResponse:
    forwarded = [name for name in request.headers if "forward" in name]
    seen = (request.client.host if request.client else None, request.url.scheme)
    return JSONResponse({"seen": [*seen, request.headers["host"]], "left": forwarded})


def _configured(folder: Path, way: str, ports: tuple[int, int], endpoint: str) -> str:
    """Writes the files with a test's ports and certificate; returns the server blocks."""
    certificate, key = self_signed(folder, NAME)
    live = f"/etc/letsencrypt/live/{NAME}"
    places = {
        "http://127.0.0.1:8000": endpoint.rstrip("/"),
        "listen 80;": f"listen 127.0.0.1:{ports[0]};",
        "listen 443 ": f"listen 127.0.0.1:{ports[1]} ",
        f"{live}/fullchain.pem": str(certificate),
        f"{live}/privkey.pem": str(key),
    }

    def placed(text: str) -> str:
        # A test's machine may have no IPv6.
        lines = (line for line in text.splitlines() if "listen [::]" not in line)
        text = "\n".join(lines)
        for before, after in places.items():
            text = text.replace(before, after)
        return text

    for path in FILES.glob("*.inc"):
        (folder / path.name).write_text(placed(path.read_text()))
    return placed((FILES / "nginx.conf").read_text() if way == "a name" else _SITE)


@pytest.fixture(scope="module", params=WAYS)
def proxied(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """The endpoint and the page, as Ray Serve has them, behind nginx."""
    nginx_program()
    folder, model = tmp_path_factory.mktemp("nginx"), Gated()
    secret = keyed(folder / "keys.json")
    with ExitStack() as stack:
        chat = stack.enter_context(running_chat_server())
        chat.key = KEY
        page = PageSettings(endpoint=Endpoint(url=chat.url), login=True, feedback=folder)

        def mount(app: Any) -> None:
            app.mount("/chat", page_app(page))
            told = PublicAddress(_asgi(_told), ProxySettings(), keeps_prefix=False)
            app.mount("/told", told)
            handler = handler_of(model, folder / "keys.json")
            app.mount("/", build_app(handler, IngressSettings(page_path="/chat/")))

        direct = stack.enter_context(served(mount)).rstrip("/")
        first, second = free_ports(2)
        servers = _configured(folder, request.param, (first, second), direct)
        stack.enter_context(running_nginx(folder, servers, second))
        browser = stack.enter_context(_browser(second, folder / "certificate.pem"))
        yield Proxied(
            browser=browser,
            prefix=WAYS[request.param],
            direct=direct,
            secret=secret,
            model=model,
            ports=(first, second),
            certificate=folder / "certificate.pem",
        )


def _asgi(endpoint: Callable[[Request], Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        response = await endpoint(Request(scope))
        await response(scope, receive, send)

    return app


def _browser(port: int, certificate: Path) -> httpx.Client:
    def named(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = NAME

    return httpx.Client(
        base_url=f"https://127.0.0.1:{port}",
        headers={"host": NAME},
        verify=ssl.create_default_context(cafile=str(certificate)),
        event_hooks={"request": [named]},
        timeout=_PATIENCE_S,
        trust_env=False,
    )


def _error_of(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    error: dict[str, Any] = response.json()["error"]
    assert error.pop("request_id")
    return error


def test_an_answer_comes_piece_by_piece(proxied: Proxied) -> None:
    proxied.model.heard.clear()
    pieces = []
    response = proxied.browser.send(proxied.ask(stream=True), stream=True)
    try:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line.removeprefix("data: "))["choices"]
                pieces += [one["delta"].get("content") for one in choices]
            # A proxy that waits for the whole answer would wait for ever.
            if any(pieces):
                proxied.model.heard.set()
    finally:
        response.close()
    assert response.status_code == 200
    assert [piece for piece in pieces if piece] == ["একটি ", "বৃত্ত"]


def test_the_page_is_whole_at_its_public_address(proxied: Proxied) -> None:
    browser, prefix = proxied.browser, proxied.prefix
    first = browser.get(f"{prefix}/")
    assert (first.status_code, first.headers["location"]) == (307, f"{prefix}/chat/")
    page = f"{prefix}/chat/"
    assert browser.get(page).headers["location"] == "login"
    own = {"origin": f"https://{NAME}", "sec-fetch-site": "same-origin"}
    entered = browser.post(f"{page}login", data={"key": KEY}, headers=own)
    cookie = entered.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    own["cookie"] = cookie.partition(";")[0]
    html = browser.get(page, headers=own)
    assert html.headers["strict-transport-security"] if not prefix else True
    assert browser.get(f"{page}config", headers=own).json()["root"] == f"https://{NAME}{page[:-1]}"
    assets = set(_ADDRESS.findall(html.text))
    assert assets
    for asset in assets:
        found = browser.get(httpx.URL(page).join(asset), headers=own)
        assert found.status_code == 200, asset
        assert found.content


def test_events_of_the_page_come_through(proxied: Proxied) -> None:
    browser, page = proxied.browser, f"{proxied.prefix}/chat/"
    own = {"origin": f"https://{NAME}", "sec-fetch-site": "same-origin"}
    cookie = browser.post(f"{page}login", data={"key": KEY}, headers=own).headers["set-cookie"]
    own["cookie"] = cookie.partition(";")[0]
    handlers = browser.get(f"{page}config", headers=own).json()["dependencies"]
    call = {"data": [], "fn_index": handlers[0]["id"], "session_hash": "s1"}
    joined = browser.post(f"{page}gradio_api/queue/join", json=call, headers=own)
    assert joined.status_code == 200, joined.text
    address = f"{page}gradio_api/queue/data"
    with browser.stream("GET", address, params={"session_hash": "s1"}, headers=own) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        assert next(events.iter_lines()).startswith("data: ")


def test_the_endpoint_believes_the_proxy_and_not_its_client(proxied: Proxied) -> None:
    lies = {
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
        "x-forwarded-prefix": "/evil",
        "forwarded": "for=6.6.6.6;host=evil.example",
    }
    told = proxied.browser.get(f"{proxied.prefix}/told/", headers=lies).json()
    assert told == {"seen": ["127.0.0.1", "https", NAME], "left": []}


@pytest.mark.parametrize("declares", [True, False])
def test_a_body_that_is_too_large_is_refused_in_the_apis_words(
    proxied: Proxied, declares: bool
) -> None:
    most = BodyBounds().max_bytes
    path, key = f"{proxied.prefix}/v1/chat/completions", proxied.authorization()
    key["content-type"] = "application/json"
    block = b"x" * (1 << 20)
    blocks = [block] * (most >> 20) + [b"x"]
    body: Any = b"".join(blocks) if declares else iter(blocks)
    refused = proxied.browser.post(path, content=body, headers=key)
    assert refused.status_code == 413
    with httpx.Client(trust_env=False, timeout=_PATIENCE_S) as client:
        own = client.post(
            f"{proxied.direct}/v1/chat/completions", content=b"".join(blocks), headers=key
        )
    assert _error_of(refused) == _error_of(own)


def test_a_body_as_large_as_allowed_reaches_the_endpoint(proxied: Proxied) -> None:
    request = proxied.ask(padding="x")
    missing = BodyBounds().max_bytes - len(request.content)
    whole = proxied.browser.send(proxied.ask(padding="x" * (1 + missing)))
    assert len(whole.request.content) == BodyBounds().max_bytes
    # Another refusal than nginx's, and the endpoint's own.
    assert (whole.status_code, whole.headers["x-request-id"][:4]) == (400, "req_")


def test_metrics_are_not_for_the_internet(proxied: Proxied) -> None:
    told = proxied.browser.get(f"{proxied.prefix}/metrics", headers=proxied.authorization())
    assert told.status_code == 404


@NAMED
def test_old_tls_is_refused_and_http_2_is_spoken(proxied: Proxied) -> None:
    def spoken(newest: ssl.TLSVersion) -> tuple[str | None, str | None]:
        context = ssl.create_default_context(cafile=str(proxied.certificate))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
        context.set_alpn_protocols(["h2", "http/1.1"])
        address = ("127.0.0.1", proxied.ports[1])
        plain = socket.create_connection(address, _PATIENCE_S)
        with plain, context.wrap_socket(plain, server_hostname=NAME) as secure:
            return secure.version(), secure.selected_alpn_protocol()

    assert spoken(ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", "h2")
    assert spoken(ssl.TLSVersion.TLSv1_3) == ("TLSv1.3", "h2")
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            spoken(old)


@NAMED
def test_another_name_gets_no_certificate(proxied: Proxied) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", proxied.ports[1]), _PATIENCE_S)
    with plain, pytest.raises(ssl.SSLError, match=r"(?i)unrecognized"):
        context.wrap_socket(plain, server_hostname="evil.example")


@NAMED
def test_http_leads_to_https_and_takes_no_key(proxied: Proxied) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{proxied.ports[0]}", trust_env=False) as client:
        led = client.get("/chat/?a=b", headers={"host": NAME})
        assert (led.status_code, led.headers["location"]) == (308, f"https://{NAME}/chat/?a=b")
        refused = client.post("/v1/chat/completions", headers={"host": NAME}, json={})
    assert refused.status_code == 400
    assert f"https://{NAME}" in _error_of(refused)["message"]


def test_an_endpoint_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    nginx_program()
    first, second, nobody = free_ports(3)
    servers = _configured(tmp_path, "a name", (first, second), f"http://127.0.0.1:{nobody}")
    with (
        running_nginx(tmp_path, servers, second),
        _browser(second, tmp_path / "certificate.pem") as browser,
    ):
        told = browser.post("/v1/chat/completions", json={})
    assert (told.status_code, told.headers["retry-after"]) == (503, "10")
    assert _error_of(told)["code"] == "overloaded"


def test_the_bounds_are_those_of_the_endpoint() -> None:
    text = (FILES / "nginx_proxied.inc").read_text()
    said = dict(re.findall(r"^(\w+) (\d+)[ms];", text, re.MULTILINE))
    bounds = BodyBounds()
    assert int(said["client_max_body_size"]) << 20 == bounds.max_bytes
    assert int(said["client_body_timeout"]) == bounds.idle_s
    assert int(said["proxy_read_timeout"]) > ServeSettings(models=()).timeout_s


def test_the_files_are_named_where_they_are_copied() -> None:
    included = {
        name for path in FILES.iterdir() for name in re.findall(r"include (\S+);", path.read_text())
    }
    assert included == {path.name for path in FILES.glob("*.inc")}
