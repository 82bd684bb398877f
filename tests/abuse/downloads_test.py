"""Downloads: a server that was allowed leads nowhere else, and an address is called as checked."""

import itertools
import socket
import time
from urllib.parse import urlsplit

import pytest
from tests.fixtures.raw_server import raw_server, reply

from palo.data.records import Origin, parse_llava
from palo.endpoint.replies import IDENTITY
from palo.errors import ImageError
from palo.images import downloads
from palo.images.downloads import Downloads
from palo.images.fetch import FetchOptions, fetch
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

_IMAGE = b"\x89PNG\r\n\x1a\n"
_LIMITS = ImageLimits(max_file_bytes=10_000)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_S", 0.0)
    monkeypatch.setattr(downloads, "TOTAL_S", 5.0)


def test_a_server_does_not_lead_to_another_port_of_its_host(tmp_path):
    with raw_server(reply(_IMAGE)) as other:
        moved = reply(b"", "302 Found", Location=f"http://127.0.0.1:{other.port}/secret")
        with raw_server(moved) as server, pytest.raises(ImageError) as caught:
            Downloads(tmp_path).read(f"http://127.0.0.1:{server.port}/1.png", _LIMITS)
        assert caught.value.fact == Reason.IMAGE_UNREADABLE
        assert other.requests == []


@pytest.mark.parametrize(
    ("start", "location", "is_followed"),
    [
        ("https://a.org/1", "https://a.org/2", True),
        ("https://a.org/1", "/2", True),
        ("https://a.org/1", "//a.org/2", True),
        ("https://a.org/1", "https://a.org:443/2", True),
        ("http://a.org/1", "https://a.org/2", True),
        ("http://a.org:8080/1", "http://a.org:8080/2", True),
        ("https://a.org/1", "http://a.org/2", False),
        ("https://a.org/1", "http://a.org:443/2", False),
        ("https://a.org/1", "https://a.org:22/2", False),
        ("http://a.org/1", "http://a.org:6379/2", False),
        ("http://a.org:8080/1", "https://a.org/2", False),
        ("http://a.org:8080/1", "http://a.org/2", False),
        ("https://a.org/1", "https://user:secret@a.org/2", False),
        ("https://a.org/1", "https://a.org@evil.org/2", False),
        ("https://a.org/1", "https://evil.org/2", False),
        ("https://a.org/1", "https://a.org.evil.org/2", False),
        ("https://a.org/1", "https://169.254.169.254/2", False),
        ("https://a.org/1", "ftp://a.org/2", False),
        ("https://a.org/1", "file:///etc/passwd", False),
    ],
)
def test_redirects_stay_where_they_were_allowed(
    monkeypatch, start, location, is_followed, tmp_path
):
    asked = []

    def scripted(address, options):
        asked.append(address.geturl())
        return _IMAGE if len(asked) > 1 else location

    monkeypatch.setattr(downloads, "fetch", scripted)
    if is_followed:
        assert Downloads(tmp_path).read(start, _LIMITS) == _IMAGE
        return
    with pytest.raises(ImageError, match="sends to"):
        Downloads(tmp_path).read(start, _LIMITS)
    assert asked == [start]


def test_each_hop_is_looked_up_and_checked_anew(monkeypatch, tmp_path):
    found = iter(["93.184.216.34", "10.0.0.1"])
    called = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (next(found), 443))])

    def connect(address, timeout, source_address=None):
        called.append(address[0])
        ours, theirs = socket.socketpair()
        theirs.sendall(reply(b"", "302 Found", Location="/2"))
        return ours

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ImageError) as caught:
        Downloads(tmp_path).read("http://images.example/1", _LIMITS)
    assert caught.value.fact == Reason.IMAGE_HOST
    assert called == ["93.184.216.34"]


def test_what_was_checked_is_called_whatever_the_name_leads_to_later(monkeypatch):
    found = itertools.chain(["93.184.216.34"], itertools.repeat("127.0.0.1"))
    called = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (next(found), 80))])

    def connect(address, timeout, source_address=None):
        called.append(address[0])
        raise OSError("not today")

    monkeypatch.setattr(socket, "create_connection", connect)
    options = FetchOptions(limits=_LIMITS, connect_s=1.0, deadline=time.monotonic() + 5)
    with pytest.raises(OSError, match="not today"):
        fetch(urlsplit("http://images.example/1"), options)
    assert called == ["93.184.216.34"]


@pytest.mark.parametrize(
    "mixed", [["93.184.216.34", "127.0.0.1"], ["::ffff:10.0.0.1"], ["fe80::1%1"]]
)
def test_one_private_address_among_others_is_enough(monkeypatch, mixed):
    infos = [(2, 1, 6, "", (one, 80)) for one in mixed]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    options = FetchOptions(limits=_LIMITS, connect_s=1.0, deadline=time.monotonic() + 5)
    with pytest.raises(ImageError, match="private address"):
        fetch(urlsplit("http://images.example/1"), options)


@pytest.mark.parametrize(
    ("image", "is_allowed"),
    [
        ("https://a.org/1.jpg", True),
        ("https://a.org:443/1.jpg", True),
        ("http://a.org:80/1.jpg", True),
        ("https://b.org:8443/1.jpg", True),
        ("https://a.org:22/1.jpg", False),
        ("http://a.org:443/1.jpg", False),
        ("http://a.org:6379/1.jpg", False),
        ("https://b.org/1.jpg", False),
        ("https://b.org:8444/1.jpg", False),
    ],
)
def test_a_server_is_allowed_with_its_port(image, is_allowed):
    hosts = ("a.org", "b.org:8443")
    origin = Origin(source="t", language="en", languages=("en",), allowed_hosts=hosts)
    turns = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "Ah."}]
    found = parse_llava({"image": image, "conversations": turns}, origin)
    assert getattr(found, "reason", None) == (None if is_allowed else Reason.IMAGE_HOST)


ANSWERS = {
    "compressed": [reply(b"x" * 99, Content_Encoding="gzip")],
    "a length of 5,000 digits": [
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
    ],
    "more than its length": [reply(b"x")[:-1] + b"x" * 50_000],
    "a negative length": [b"HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\n" + b"x" * 20_000],
    "a chunk of 5,000 digits": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"9" * 5000 + b"\r\nx"
    ],
    "no HTTP": [b"\x16\x03\x01" * 100],
    "headers without end": itertools.repeat(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, 1000),
    "continue without end": itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 100_000),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_any_answer_is_an_image_or_a_typed_error_in_time(answer):
    with raw_server(lambda _: answer) as server:
        options = FetchOptions(
            limits=_LIMITS, connect_s=1.0, deadline=time.monotonic() + 2, may_be_private=True
        )
        try:
            data = fetch(urlsplit(f"http://127.0.0.1:{server.port}/1"), options)
        except (OSError, ImageError, ValueError):
            return
        assert len(data) <= _LIMITS.max_file_bytes


def test_nothing_of_ours_goes_to_a_server_of_images(monkeypatch):
    for name in ("OPENAI_API_KEY", "PALO_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "sk-everything")
    with raw_server(reply(_IMAGE)) as server:
        options = FetchOptions(
            limits=_LIMITS, connect_s=1.0, deadline=time.monotonic() + 5, may_be_private=True
        )
        address = urlsplit(f"http://user:secret@127.0.0.1:{server.port}/1")
        assert fetch(address, options) == _IMAGE
        sent = server.requests[0].lower()
    assert not any(word in sent for word in (b"secret", b"sk-", b"authorization", b"cookie"))
    assert IDENTITY["Accept-Encoding"].encode() in sent
