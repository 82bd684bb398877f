"""Pages behind a reverse proxy, over real connections: the login and all that follows works.

Regression: the page compared the browser's origin with the Host that the proxy had set, and
refused every login.
"""

import json
from contextlib import ExitStack

import httpx
import pytest
from tests.fixtures.browser_pages import served
from tests.fixtures.chat_server import running_chat_server
from tests.fixtures.reverse_proxy import reverse_proxy

from palo.client import Endpoint
from palo.security.forwarded import ProxySettings
from palo.serve.chat_page.mount import mount_page
from palo.serve.chat_page.settings import PageSettings

KEY = "sk-page"
PUBLIC = "https://palo.example"
X_FORWARDED = {
    "x-forwarded-for": "198.51.100.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "palo.example",
}
FORWARDED = {"forwarded": "for=198.51.100.7;proto=https;host=palo.example"}
# How proxies are set up: the page's settings, what the proxy does, and the public address.
WAYS = {
    "public URL, the proxy says nothing": (ProxySettings(public_url=PUBLIC), {}, PUBLIC),
    "X-Forwarded": (ProxySettings(), {"headers": X_FORWARDED}, PUBLIC),
    "Forwarded": (ProxySettings(), {"headers": FORWARDED}, PUBLIC),
    "Host kept": (ProxySettings(), {"keeps_host": True}, "http://palo.example"),
    "a path, cut off": (
        ProxySettings(public_url=f"{PUBLIC}/palo"), {"prefix": "/palo"}, f"{PUBLIC}/palo",
    ),
    "a path, kept": (
        ProxySettings(public_url=f"{PUBLIC}/palo"), {"prefix": "/palo", "cuts": False},
        f"{PUBLIC}/palo",
    ),
    "a path in a header": (
        ProxySettings(),
        {"prefix": "/palo", "headers": X_FORWARDED | {"x-forwarded-prefix": "/palo"}},
        f"{PUBLIC}/palo",
    ),
}  # fmt: skip


@pytest.fixture
def site(tmp_path):
    """Serves the chat page with a login behind a proxy; returns a browser of it."""
    with ExitStack() as stack:

        def make(settings, does):
            chat = stack.enter_context(running_chat_server())
            chat.key = KEY
            page = PageSettings(
                endpoint=Endpoint(url=chat.url), login=True, proxy=settings, feedback=tmp_path
            )
            url = stack.enter_context(served(lambda app: mount_page(app, page)))
            proxy = stack.enter_context(reverse_proxy(url.rstrip("/"), **does))
            # A browser that resolves the public name to the proxy, which ends TLS.
            browser = httpx.Client(base_url=proxy, headers={"host": "palo.example"}, timeout=60.0)
            return stack.enter_context(browser)

        yield make


@pytest.mark.parametrize("way", WAYS)
def test_a_visitor_logs_in_and_uses_the_page(site, way):
    settings, does, public = WAYS[way]
    browser = site(settings, does)
    own = {"origin": public.removesuffix("/palo"), "sec-fetch-site": "same-origin"}
    first = browser.get("/")
    assert (first.status_code, first.headers["location"]) == (303, "login")
    entered = browser.post("/login", data={"key": KEY}, headers=own)
    assert entered.status_code == 303, entered.text
    assert entered.headers["location"] == "."
    cookie = entered.headers["set-cookie"]
    assert cookie.startswith("__Host-" if public.startswith("https") else "palo_visitor=")
    assert ("Secure" in cookie) == public.startswith("https")
    with_cookie = own | {"cookie": cookie.partition(";")[0]}
    assert browser.get("/", headers=with_cookie).status_code == 200
    config = browser.get("/config", headers=with_cookie).json()
    assert config["root"] == public
    call = {"data": [], "fn_index": config["dependencies"][0]["id"], "session_hash": "s1"}
    joined = browser.post("/gradio_api/queue/join", json=call, headers=with_cookie)
    assert joined.status_code == 200, joined.text
    upload = {"files": ("a.png", b"x")}
    uploaded = browser.post("/gradio_api/upload", files=upload, headers=with_cookie)
    assert len(json.loads(uploaded.text)) == 1


@pytest.mark.parametrize("way", WAYS)
def test_another_site_is_still_refused(site, way):
    settings, does, _ = WAYS[way]
    browser = site(settings, does)
    for origin in ("https://evil.example", "http://127.0.0.1:8000", "null"):
        refused = browser.post("/login", data={"key": KEY}, headers={"origin": origin})
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers
        assert "proxy.public_url" in refused.text
    own_word = {"origin": "https://evil.example", "x-forwarded-host": "evil.example"}
    if does.get("headers") is not FORWARDED and not does.get("keeps_host"):
        assert browser.post("/login", data={"key": KEY}, headers=own_word).status_code == 403


def test_tries_are_counted_by_the_clients_address(site):
    """Behind one proxy, one visitor's wrong keys don't lock out the others."""
    browser = site(ProxySettings(), {"headers": {}})

    def log_in(key, client):
        headers = {"x-forwarded-for": f"6.6.6.6, {client}"}
        return browser.post("/login", data={"key": key}, headers=headers).status_code

    assert [log_in("sk-wrong", "192.0.2.1") for _ in range(11)] == [401] * 10 + [429]
    assert log_in(KEY, "192.0.2.1") == 429
    assert log_in(KEY, "192.0.2.2") == 303
