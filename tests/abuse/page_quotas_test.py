"""A visitor of a page uses no more of it than their quota, whatever is sent.

Regressions: a question of 60 MB took 680 MB of memory, uploads were limited each but not together,
an upload that broke off left a file that nothing deleted, and nothing else had an end either:
streams, sessions, calls, questions.
"""

import asyncio
import contextlib
import html
import http.client
import json
import os
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
from tests.fixtures.browser_pages import served

from palo.client import Endpoint
from palo.security.http_limits import BodyBounds
from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.handlers import ChatHandlers
from palo.serve.chat_page.settings import PageSettings
from palo.webui.texts import page_texts
from palo.webui.usage import QuotaSettings

_WAIT_S = 30.0
_SMALL = QuotaSettings(
    bodies=BodyBounds(max_bytes=2 << 20, max_all_bytes=8 << 20, idle_s=0.5, total_s=2),
    upload_idle_s=0.5,
    calls_per_minute=60,
    streams=5,
    all_streams=8,
    sessions=4,
    all_sessions=6,
    unread_calls=10,
    files=3,
    file_bytes=100_000,
    all_file_bytes=150_000,
)


class Page:
    """A page that is served, as somebody without a browser sees it."""

    def __init__(self, url: str, folder: Path, app: object) -> None:
        self.url = url
        self.folder = folder
        self.app = app

    def begun(self, path: str) -> http.client.HTTPConnection:
        """Begins a POST to a path of Gradio's, after the page was opened."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_WAIT_S)
        connection.putrequest("POST", f"{urlsplit(self.url).path}gradio_api/{path}")
        connection.putheader("cookie", self.cookie())
        return connection

    def browser(self) -> httpx.Client:
        limits = httpx.Limits(max_connections=None)
        cookies = httpx.get(self.url).cookies
        return httpx.Client(base_url=self.url, timeout=_WAIT_S, limits=limits, cookies=cookies)

    def cookie(self) -> str:
        ((name, value),) = httpx.get(self.url).cookies.items()
        return f"{name}={value}"

    @property
    def gradio(self) -> object:
        inner = self.app.router.routes[-1].app  # type: ignore[attr-defined]
        while not hasattr(inner, "state_holder"):
            inner = inner._app
        return inner


@pytest.fixture
def page(tmp_path, chat_server) -> Iterator[Page]:
    """The chat page with small quotas, for everybody on this machine."""
    from palo.serve.chat_page.mount import mount_page

    apps = []

    def mount(app):
        apps.append(app)
        settings = PageSettings(
            endpoint=Endpoint(url=chat_server.url),
            feedback=tmp_path / "feedback",
            max_image_bytes=50_000,
            quotas=_SMALL,
        )
        mount_page(app, settings)

    with served(mount, "/chat") as url:
        yield Page(url, Path(os.environ["GRADIO_TEMP_DIR"]), apps[0])


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    return (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def join(browser: httpx.Client, session: str = "s", data: list[object] | None = None):
    body = {"session_hash": session, "fn_index": 0, "data": data or []}
    return browser.post("gradio_api/queue/join", json=body)


def upload(browser: httpx.Client, content: bytes, name: str = "a.png") -> httpx.Response:
    return browser.post("gradio_api/upload", files={"files": (name, content)})


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _WAIT_S
    while not holds():
        assert time.monotonic() < ends, "it never came about"
        time.sleep(0.05)


def files_in(folder: Path) -> list[Path]:
    # Not rglob, which fails where a folder is removed meanwhile.
    return sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)


def test_a_question_of_60_mb_is_refused_before_it_is_read(page):
    with page.browser() as browser:
        answer = browser.post("gradio_api/queue/join", content=bytes(60 << 20))
    assert refused(answer, 413, "body_too_large")


def test_chunks_are_counted_while_they_come(page):
    connection = page.begun("queue/join")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    tracemalloc.start()
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(60 << 4):
                connection.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        answer = connection.getresponse()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "body_too_large")
    assert most < 20 << 20


@pytest.mark.parametrize("path", ["queue/join", "upload"])
def test_a_body_that_stops_coming_is_not_waited_for(page, path):
    connection = page.begun(path)
    connection.putheader("content-length", "1000")
    connection.putheader("content-type", "multipart/form-data; boundary=b")
    connection.endheaders(b"--b\r\n")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (504, "timeout")


def test_an_upload_that_breaks_off_leaves_nothing(page):
    head = (
        f"POST {urlsplit(page.url).path}gradio_api/upload HTTP/1.1\r\n"
        f"host: {urlsplit(page.url).netloc}\r\ncookie: {page.cookie()}\r\n"
        "content-type: multipart/form-data; boundary=b\r\ncontent-length: 40000\r\n\r\n"
        '--b\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    )
    before = files_in(page.folder)
    for _ in range(5):
        with socket.create_connection(urlsplit(page.url).netloc.split(":")) as half:
            half.sendall(head.encode() + bytes(20_000))
            time.sleep(0.1)
    with page.browser() as browser:
        assert upload(browser, bytes(60_000)).status_code == 413
        assert upload(browser, bytes(200_000)).status_code == 413
        assert upload(browser, b"whole").status_code == 200
    (left,) = set(files_in(page.folder)) - set(before)
    assert left.read_bytes() == b"whole"


def test_the_oldest_uploads_of_a_visitor_make_room(page):
    before = files_in(page.folder)
    with page.browser() as browser:
        small = [upload(browser, bytes([number]) * 9).json()[0] for number in range(5)]
        until(lambda: [os.path.exists(path) for path in small] == [False] * 2 + [True] * 3)
        large = [upload(browser, bytes([number]) * 45_000).json()[0] for number in range(3)]
        until(lambda: [os.path.exists(path) for path in large] == [False, True, True])
        many = [("files", (f"{number}.png", b"x")) for number in range(9)]
        assert browser.post("gradio_api/upload", files=many).status_code == 200
    until(lambda: len(files_in(page.folder)) == len(before) + 3)


def test_of_200_streams_a_visitor_has_a_few_and_gets_their_places_back(page):
    with page.browser() as browser:
        with ExitStack() as streams:
            answers = [
                streams.enter_context(browser.stream("GET", f"gradio_api/heartbeat/{number}"))
                for number in range(200)
            ]
            assert [answer.status_code for answer in answers].count(200) == 5
            (last,) = {answer.status_code for answer in answers[5:]}
            assert (last, int(answers[-1].headers["retry-after"]) > 0) == (429, True)
            assert browser.get("theme.css").status_code == 200

        def is_free() -> bool:
            with browser.stream("GET", "gradio_api/heartbeat/again") as answer:
                return answer.status_code == 200

        until(is_free)


def test_calls_have_an_end_within_a_minute(page):
    with page.browser() as browser:
        answers = [join(browser, "x" * 1000) for _ in range(61)]
    assert refused(answers[-1], 429, "rate_limit_exceeded")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert 429 not in {answer.status_code for answer in answers[:-1]}


def test_sessions_are_not_kept_without_end(page):
    with page.browser() as browser:
        for number in range(30):
            assert join(browser, f"session{number}").status_code == 200
        until(lambda: len(page.gradio.state_holder.session_data) <= _SMALL.sessions)
        queue = page.gradio.blocks._queue
        assert len(queue.pending_messages_per_session) <= _SMALL.sessions


@pytest.mark.parametrize("session", [7, ["s"], {"s": 1}, "x" * 1000])
def test_what_names_no_session_is_refused(page, session):
    with page.browser() as browser:
        assert refused(join(browser, session), 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        b'{"session_hash": "s", "fn_index": 0, "data": [NaN]}',
        '{"session_hash": "s", "fn_index": 0, "data": []}'.encode("utf-16"),
        b"[" * 2000,
        b"\xff",
    ],
)
def test_what_only_gradio_takes_for_json_is_refused(page, body):
    with page.browser() as browser:
        answer = browser.post(
            "gradio_api/queue/join", content=body, headers={"content-type": "application/json"}
        )
    assert refused(answer, 400, "invalid_request")


def test_events_that_nobody_reads_have_an_end(page):
    with page.browser() as browser:
        answers = [join(browser) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        with browser.stream("GET", "gradio_api/queue/data?session_hash=s") as events:
            assert events.status_code == 200
            assert join(browser).status_code == 200


_LONG = Chat().with_question("?", None).with_answer("y" * 100_000, "m", "en")


@pytest.mark.parametrize(
    ("text", "talk", "code"),
    [
        ("x" * 20_001, Chat(), "body_too_large"),
        ("x", _LONG, "context_length_exceeded"),
        ("fine", Chat(), None),
    ],
)
def test_questions_and_conversations_have_a_longest_length(tmp_path, text, talk, code):
    asked = _first_update(tmp_path, talk, {"do": "ask", "text": text})
    if code is None:
        assert (asked.first.messages[-1].text, asked.notice) == (text, "")
    else:
        assert asked.first == talk
        assert page_texts("en").errors[code] in html.unescape(asked.notice)


def test_a_question_in_other_words_has_a_longest_length_too(tmp_path):
    talk = Chat().with_question("?", None)
    edited = _first_update(tmp_path, talk, {"do": "edit", "position": 0, "text": "x" * 20_001})
    assert edited.first == talk
    assert page_texts("en").errors["body_too_large"] in html.unescape(edited.notice)


def _first_update(folder, talk, data):
    """Returns the first update that a browser gets for an act."""
    handlers = ChatHandlers(PageSettings(feedback=folder), None, ())
    request, event = SimpleNamespace(session_hash="s"), SimpleNamespace(_data=data)

    async def first():
        return await anext(handlers.ask(talk, Chat(), request, event))

    return asyncio.run(first())
