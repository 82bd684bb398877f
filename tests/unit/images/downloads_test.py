"""Images from a web server on this machine that behaves well, badly, or not at all."""

import http.server
import socket
import threading
import time
from collections import Counter
from typing import ClassVar

import pytest

from palo.corpus.images_step.image_files import read_image, stamp_of
from palo.data.records import Origin, Record, parse_llava
from palo.errors import ImageError
from palo.images import downloads
from palo.images.downloads import Downloads
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

IMAGE = b"\x89PNG" * 100
LIMITS = ImageLimits(max_file_bytes=1000)


class Handler(http.server.BaseHTTPRequestHandler):
    asked: ClassVar = Counter()

    def do_GET(self):
        self.asked[self.path] += 1
        getattr(self, self.path.split("?")[0].strip("/").replace("-", "_"))()

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def good(self):
        self.answer(200, IMAGE)

    def gone(self):
        self.answer(404)

    def secret(self):
        self.answer(403)

    def busy_once(self):
        self.answer(503 if self.asked[self.path] == 1 else 200, IMAGE)

    def broken(self):
        self.answer(500)

    def cut_off(self):
        self.answer(200, IMAGE[:50], len(IMAGE))

    def says_huge(self):
        self.answer(200, IMAGE, 10**12)

    def is_huge(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(IMAGE * 100)

    def drips(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b".")
            time.sleep(0.05)

    def moved(self):
        self.answer(302, Location="/good")

    def moved_elsewhere(self):
        self.answer(302, Location="http://localhost/good")

    def moved_to_a_file(self):
        self.answer(302, Location="file:///etc/passwd")

    def moved_forever(self):
        self.answer(302, Location=self.path)

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_S", 0.01)
    monkeypatch.setattr(downloads, "CONNECT_S", 0.25)
    monkeypatch.setattr(downloads, "TOTAL_S", 10.0)
    Handler.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.handle_error = lambda *_: None  # those that we hang up on
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_an_image_is_downloaded_once(server, tmp_path):
    uri = f"{server}/good?size=9"
    for _ in range(2):
        assert read_image(uri, tmp_path, LIMITS) == IMAGE
        assert Downloads(tmp_path / "downloads").read(uri, LIMITS) == IMAGE
    assert Handler.asked == {"/good?size=9": 1}
    assert stamp_of(uri) == (-1, -1)


@pytest.mark.parametrize("name", ["busy-once", "moved"])
def test_a_server_is_asked_again_and_followed(server, tmp_path, name):
    assert Downloads(tmp_path).read(f"{server}/{name}", LIMITS) == IMAGE


@pytest.mark.parametrize(
    ("name", "reason", "seen", "times"),
    [
        ("gone", Reason.IMAGE_MISSING, "status 404", 1),
        ("secret", Reason.IMAGE_UNREADABLE, "status 403", 1),
        ("broken", Reason.IMAGE_SERVER_SILENT, "status 500", 3),
        ("cut-off", Reason.IMAGE_SERVER_SILENT, "", 3),
        ("drips", Reason.IMAGE_SERVER_SILENT, "", 3),
        ("says-huge", Reason.IMAGE_FILE_TOO_LARGE, "1000000000000 bytes", 1),
        ("is-huge", Reason.IMAGE_FILE_TOO_LARGE, "bytes or more", 1),
        ("moved-elsewhere", Reason.IMAGE_UNREADABLE, "sends to 'http://localhost/good'", 1),
        ("moved-to-a-file", Reason.IMAGE_UNREADABLE, "sends to 'file:///etc/passwd'", 1),
        ("moved-forever", Reason.IMAGE_UNREADABLE, "redirects", 4),
    ],
)
def test_what_can_not_be_downloaded_has_a_reason(
    server, tmp_path, monkeypatch, name, reason, seen, times
):
    if name == "drips":
        monkeypatch.setattr(downloads, "TOTAL_S", 0.3)
    with pytest.raises(ImageError) as caught:
        read_image(f"{server}/{name}", tmp_path, LIMITS)
    assert caught.value.fact == reason
    assert seen in caught.value.seen
    assert f"{server}/{name}" in caught.value.seen
    assert Handler.asked[f"/{name}"] == times
    assert not list(tmp_path.rglob("*.*"))


def test_a_server_that_never_answers_costs_little_and_then_nothing(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kept = Downloads(tmp_path)
        port = silent.getsockname()[1]
        start = time.monotonic()
        for number in range(50):
            with pytest.raises(ImageError, match=Reason.IMAGE_SERVER_SILENT):
                kept.read(f"http://127.0.0.1:{port}/{number}.jpg", LIMITS)
        assert time.monotonic() - start < 15
        assert kept.read(f"{server}/good", LIMITS) == IMAGE


def test_a_name_may_not_lead_to_a_private_address(server, tmp_path, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ImageError, match=r"not allowed.*images\.example.*127\.0\.0\.1"):
        Downloads(tmp_path).read(server.replace("127.0.0.1", "images.example"), LIMITS)


def row(image):
    turns = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "Ah."}]
    return {"image": image, "conversations": turns}


@pytest.mark.parametrize(
    "image", ["https://a.org/1.jpg?x=1", "http://a.org:8080/1.jpg", "s3://bucket/a/1.jpg"]
)
def test_rows_name_images_on_servers_that_are_allowed(image):
    hosts = ("a.org", "a.org:8080", "bucket")
    origin = Origin(source="t", language="en", languages=("en",), allowed_hosts=hosts)
    record = parse_llava(row(image), origin)
    assert isinstance(record, Record)
    assert record.image == image
    none = Origin(source="t", language="en", languages=("en",), image_folder="/images")
    assert parse_llava(row(image), none).reason is Reason.IMAGE_HOST


@pytest.mark.parametrize(
    "image",
    [
        "http://a.org@evil.org/1.jpg",
        "http://user@a.org/1.jpg",
        "HTTP://a.org/1.jpg",
        "http://a.org:99999/1.jpg",
        "http://a.org/a b.jpg",
        "http://a.org/é.jpg",
        "http:///1.jpg",
        "s3://bucket/a//1.jpg",
        "http://[::1/1.jpg",
    ],
)
def test_malformed_uris_are_no_paths(image):
    origin = Origin(source="t", language="en", languages=("en",), allowed_hosts=("a.org", "bucket"))
    assert parse_llava(row(image), origin).reason in (Reason.WRONG_IMAGE_FIELD, Reason.IMAGE_HOST)


def test_no_row_chooses_the_store_of_its_bucket():
    origin = Origin(source="t", language="en", languages=("en",), allowed_hosts=("bucket",))
    image = "s3://bucket/1.jpg?endpoint_override=evil.org"
    assert parse_llava(row(image), origin).reason is Reason.WRONG_IMAGE_FIELD


@pytest.mark.parametrize("image", ["file:/etc/passwd", "ftp://a.org/1.jpg", "gopher://a.org/x"])
def test_other_schemes_never_leave_the_folder(image):
    origin = Origin(source="t", language="en", languages=("en",), image_folder="/images")
    assert parse_llava(row(image), origin).image.startswith("/images/")


def test_a_file_uri_is_a_path_that_must_be_in_the_folder():
    origin = Origin(source="t", language="en", languages=("en",), image_folder="/images")
    assert parse_llava(row("file:///etc/passwd"), origin).reason is Reason.IMAGE_OUTSIDE
    assert parse_llava(row("file:///images/a.jpg"), origin).image == "/images/a.jpg"
