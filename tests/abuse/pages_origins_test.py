"""What another site makes a browser send to a page on this machine: nothing of it is answered.

Regression: pages that are served alone took the names and origins of strangers, so that a site
whose name leads to 127.0.0.1 (DNS rebinding) could use them, and save decisions.
"""

import html
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.fixtures.page_visits import KINDS, Site, Visit, visiting

from palo.client import Endpoint
from palo.errors import ConfigError
from palo.serve.chat_page.settings import PageSettings


@pytest.fixture(scope="module", params=KINDS)
def site(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each page, with and without keys."""
    with KINDS[request.param](tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def visit(site: Site) -> Iterator[Visit]:
    """Somebody who may use the page."""
    with visiting(site) as visit:
        yield visit


def _own(site: Site) -> str:
    return site.url.rstrip("/")


def _another_port(site: Site) -> str:
    return f"http://127.0.0.1:{int(site.url.split(':')[2].strip('/')) + 1}"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:1"},
        {"origin": "//["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_another_site_reaches_nothing(site: Site, visit: Visit, headers: dict[str, str]) -> None:
    handler = visit.handlers[0]
    body = {"data": [None] * len(handler["inputs"]), "fn_index": handler["id"], "session_hash": "s"}
    for method, path in (
        ("POST", "gradio_api/queue/join"),
        ("POST", "gradio_api/upload"),
        ("POST", "logout"),
        ("POST", "login"),
        ("POST", "none"),
    ):
        answer = visit.http.request(method, path, json=body, headers=headers)
        assert answer.status_code == 403, path
        assert "access-control-allow-origin" not in answer.headers
        assert "set-cookie" not in answer.headers
    for path in ("config", "gradio_api/queue/data?session_hash=s", "gradio_api/file=/etc/passwd"):
        assert visit.http.get(path, headers=headers).status_code == 403, path
    assert visit.http.get("config").status_code == 200


@pytest.mark.parametrize("path", ["", "config", "gradio_api/upload"])
def test_another_port_of_this_machine_is_another_site(site: Site, visit: Visit, path: str) -> None:
    """Regression: Gradio let pages of every port of this machine read a page without keys."""
    asking = {"origin": _another_port(site), "access-control-request-method": "POST"}
    for method, headers in (("OPTIONS", asking), ("GET", {"origin": _another_port(site)})):
        answer = visit.http.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_page_itself_is_answered(site: Site, visit: Visit) -> None:
    headers = {"origin": _own(site), "sec-fetch-site": "same-origin"}
    assert visit.http.get("config", headers=headers).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert visit.http.get("", headers=link).status_code == 200


def test_a_name_that_leads_here_is_not_ours_where_no_keys_are(site: Site) -> None:
    names = {
        "host": "evil.example",
        "origin": "http://evil.example",
        "sec-fetch-site": "same-origin",
    }
    with httpx.Client(base_url=site.url, headers=names) as http:
        home = http.get("")
        joined = http.post("gradio_api/queue/join", json={})
        statuses = (home.status_code, joined.status_code)
        # With keys, a name is the proxy's affair, and the browser has no cookie for it.
        assert statuses == ((403, 403) if site.key is None else (303, 401))


def test_a_verdict_is_saved_by_the_page_alone(site: Site, visit: Visit) -> None:
    """Regression: a stranger's site could make a reviewer's browser save a verdict."""
    if site.chat is not None:
        pytest.skip("this is the chat page")
    decisions = site.folder / "decisions.jsonl"
    accept = visit.handler("accept", "click")
    show = next(one for one in visit.handlers if len(one["inputs"]) == 4)
    seat = ["Amina", "ur", "queue", "en"]
    visit.call(next(one for one in visit.handlers if not one["inputs"]), [])  # opens the page

    def decide(**headers: str) -> None:
        assert visit.join(show, seat).status_code == 200
        form = visit.events()[-2]["output"]["data"][1]
        key, edition = (
            html.unescape(form.split(f'data-{name}="')[1].partition('"')[0])
            for name in ("key", "edition")
        )
        values = {
            "key": key,
            "edition": edition,
            "texts": _texts(site, key),
            "tags": [],
            "note": "",
        }
        body = {
            "data": [json.dumps(values), None, *seat],
            "fn_index": accept["id"],
            "session_hash": visit.session,
        }
        answer = visit.http.post("gradio_api/queue/join", json=body, headers=headers)
        if answer.status_code == 200:
            visit.events()

    decide(origin="http://evil.example")
    decide(**{"sec-fetch-site": "same-site"})
    assert not decisions.exists()
    decide(origin=_own(site))
    assert len(decisions.read_text().splitlines()) == 1


def _texts(site: Site, key: str) -> list[str]:
    from palo.translate.review.store import ReviewStore

    item = ReviewStore(site.folder).find(key)
    assert item is not None
    return list(item.translated.texts)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "pages.example"])
@pytest.mark.parametrize("key", [None, "sk-lent"])
def test_no_page_without_a_login_listens_to_others(host: str, key: str | None) -> None:
    """Regression: such a page lent the key of PALO_API_KEY to whoever reached it."""
    from palo.serve.chat_page.mount import serve_page

    settings = PageSettings(endpoint=Endpoint(api_key=key))
    with pytest.raises(ConfigError, match="nobody has to log in"):
        serve_page(settings, host=host, port=1)


def test_pages_that_are_served_alone_have_the_guards_of_the_endpoint(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn
    from starlette.testclient import TestClient

    from palo.serve.chat_page.mount import serve_page
    from palo.translate.review.page.mount import serve_review
    from palo.translate.review.page.settings import ReviewPage

    apps: list[Any] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **_: apps.append(app))
    serve_page(PageSettings(feedback=tmp_path), host="127.0.0.1", port=1)
    serve_review(ReviewPage(folder=tmp_path / "review"))
    for app in apps:
        with TestClient(app, base_url="http://127.0.0.1:1", raise_server_exceptions=False) as http:
            assert http.get("/").status_code == 200
            assert http.get("/").headers["x-request-id"]
            foreign = http.get("/", headers={"host": "evil.example"})
            assert (foreign.status_code, "request_id" in foreign.text) == (401, True)
            size = {"content-length": str(1 << 30)}
            assert (
                http.post("/gradio_api/queue/join", headers=size, content=b"{}").status_code == 413
            )
