"""Whatever a request calls an image, nothing of this machine or its network is asked for it."""

import asyncio
import base64
import http.server
import socket
import threading
import time
import tracemalloc

import pytest

from palo import config
from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError
from palo.images import fetch
from palo.images.preprocessing import ImageLimits
from palo.serve.decoder_pool import ImageRules
from palo.serve.image_reader import ImageReader, checked_address, is_data_url, read_data_url

IMAGE = b"\x89PNG\r\n\x1a\n and more"
TEXT = base64.b64encode(IMAGE).decode()


@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64",
        "DATA:image/svg+xml;BASE64",
        "data:;base64",
        "data:image/jpeg;name=a.jpg;charset=utf-8;base64",
    ],
)
def test_what_it_holds(head):
    assert is_data_url(f"{head},{TEXT}")
    assert read_data_url(f"{head},{TEXT}", 1000, None) == IMAGE


def fault(url, max_bytes=1000):
    with pytest.raises(APIError) as caught:
        read_data_url(url, max_bytes, "messages[0]")
    assert caught.value.param == "messages[0]"
    assert len(caught.value.message) < 200
    return caught.value.code


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:,",
        f"data:{TEXT}",
        f"data:image/png,{TEXT}",
        f"data:image/png;base64{TEXT}",
        f"data:text/html;base64,{TEXT}",
        f"data:application/octet-stream;base64,{TEXT}",
        f"data:image/png;base64;{'x' * 300},{TEXT}",
        f"data:image/png;base64, {TEXT}",
        f"data:image/png;base64,{TEXT}\n",
        f"data:image/png;base64,{TEXT[:8]}\r\n{TEXT[8:]}",
        f"data:image/png;base64,{TEXT[:-1]}",
        f"data:image/png;base64,{TEXT}====",
        f"data:image/png;base64,={TEXT}",
        f"data:image/png;base64,{TEXT[:4]}=={TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}%2B{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}-_{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}\0{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}ａ{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}\udc80{TEXT[4:]}",
    ],
)
def test_base64_is_read_strictly(url):
    assert fault(url) is APIErrorCode.IMAGE_UNREADABLE


def test_size_is_judged_before_anything_is_decoded():
    data = base64.b64encode(bytes(1000)).decode()
    assert len(read_data_url(f"data:image/png;base64,{data}", 1000, None)) == 1000
    assert fault(f"data:image/png;base64,{data}", 999) is APIErrorCode.IMAGE_TOO_LARGE
    large = "data:image/png;base64," + "A" * 40_000_000
    tracemalloc.start()
    assert fault(large, 1000) is APIErrorCode.IMAGE_TOO_LARGE
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_other_urls():
    assert not is_data_url("https://images.example.org/data:image/png;base64,")


@pytest.mark.parametrize("kind", [str, str.encode, lambda text: memoryview(text.encode())])
def test_a_large_one_is_decoded_in_pieces(kind):
    data = bytes(range(256)) * 4000
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    assert read_data_url(kind(url), len(data), None) == data
    assert (
        fault(kind(url[:400_000] + "==" + url[400_000:]), 1 << 30) == APIErrorCode.IMAGE_UNREADABLE
    )
    head, _, text = url.partition(",")
    early = f"{head},{text[: (256 << 10) - 4]}AA==AAAA{text[256 << 10 :]}"
    assert fault(kind(early), 1 << 30) == APIErrorCode.IMAGE_UNREADABLE
    assert fault(kind(url), len(data) - 1) == APIErrorCode.IMAGE_TOO_LARGE


REMOTE_IMAGE = b"\x89PNG" * 100

# Ways to write this machine, its network or its cloud as the host of an address.
HOSTS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.127.127.127",
    "127.000.000.001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0X7F000001",
    "017700000001",
    "2130706433",
    "02130706433",
    "0.0.0.0",
    "0",
    "0x0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost.localdomain",
    "ip6-localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
    "①②⑦.⓪.⓪.①",
    "１２７.0.0.1",
    "127。0。0。1",
    "127．0．0．1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "loc\u00adalhost",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "%31%32%37.0.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "metadata.google.internal",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "user@127.0.0.1",
    "user:password@localhost",
    "images.example.org@127.0.0.1",
    "images.example.org:443@127.0.0.1",
    "127.0.0.1#@images.example.org",
    "127.0.0.1?@images.example.org",
    "127.0.0.1\\@images.example.org",
    "images.example.org\\@127.0.0.1",
    "127.0.0.1/images.example.org",
    "127.0.0.1%00.images.example.org",
    "127.0.0.1\t",
    "127.0.\n0.1",
    " 127.0.0.1",
    "images.example.org.",
    "images.example.org:80",
    "images.example.org:22",
    "images.example.org:0443",
    "images.example.org:",
    "images.example.org:-1",
    "images.example.org:99999",
    "images.example.org:٤٤٣",
    "images.example.org.evil.example",
    "evil.example",
    "",
]
SCHEMES = ["file:///etc/passwd", "ftp://images.example.org/1", "gopher://127.0.0.1:6379/_x"]
SCHEMES += ["http://images.example.org/1.png", "//images.example.org/1.png", "/etc/passwd"]
SCHEMES += ["s3://images/1.png", "HTTPS:images.example.org/1.png", "https:/images.example.org/1"]
SCHEMES += ["javascript:alert(1)", "blob:https://images.example.org/1", "about:blank", "", "cat"]


def refusal(rules, url):
    async def read():
        reader = ImageReader(rules)
        try:
            await reader.read(url, "messages[0]")
        finally:
            reader.close()

    with pytest.raises(APIError) as caught:
        asyncio.run(read())
    assert caught.value.param == "messages[0]"
    return caught.value


@pytest.mark.parametrize("host", HOSTS)
def test_no_name_is_resolved_that_is_not_allowed(host, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was looked up"))
    rules = ImageRules(allowed_hosts=("images.example.org",))
    assert refusal(rules, f"https://{host}/1.png").code is APIErrorCode.REMOTE_IMAGE_FORBIDDEN


@pytest.mark.parametrize("url", SCHEMES)
def test_other_schemes_are_refused(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was looked up"))
    rules = ImageRules(allowed_hosts=("images.example.org",))
    assert refusal(rules, url).code is APIErrorCode.REMOTE_IMAGE_FORBIDDEN


@pytest.fixture
def listener():
    """A server on all of this machine's addresses, and the calls that it got."""
    with socket.create_server(("", 0)) as listening:
        listening.settimeout(0.05)
        yield listening


def can_be_listed(name):
    if "example" in name or "internal" in name:
        return False  # a name of the internet, which tests don't look up
    try:
        config.check(ImageRules(allowed_hosts=(name,)))
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("host", [host for host in HOSTS if can_be_listed(host.lower())])
def test_even_names_that_were_allowed_lead_to_no_private_address(host, listener):
    port = listener.getsockname()[1]
    places = (f"{host.lower()}:{port}", host.lower())
    rules = ImageRules(allowed_hosts=places, allow_http=True, connect_s=1.0, fetch_s=2.0)
    for scheme in ("http", "https"):
        for url in (f"{scheme}://{host}:{port}/1.png", f"{scheme}://{host}/1.png"):
            code = refusal(rules, url).code
            assert code in (APIErrorCode.REMOTE_IMAGE_FORBIDDEN, APIErrorCode.REMOTE_IMAGE_FAILED)
    with pytest.raises(TimeoutError):
        listener.accept()


def resolves(monkeypatch, *addresses):
    real = socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        if host != "images.example.org":
            return real(host, port, *args, **kwargs)
        return [found for one in addresses for found in real(one, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("169.254.169.254",), ("::ffff:127.0.0.1",)],
)
def test_a_good_name_with_one_private_address_is_not_called(addresses, monkeypatch, caplog):
    resolves(monkeypatch, *addresses)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it was called"))
    rules = ImageRules(allowed_hosts=("images.example.org",))
    found = refusal(rules, "https://images.example.org/1.png")
    assert found.code is APIErrorCode.REMOTE_IMAGE_FORBIDDEN
    assert not any(address in found.message for address in addresses)
    assert "is the private address" in caplog.text


def test_a_name_is_looked_up_once_and_called_at_what_was_checked(monkeypatch):
    called, looked_up = [], []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]

    def look_up(host, *_, **__):
        looked_up.append(host)
        return found if len(looked_up) == 1 else [(2, 1, 6, "", ("127.0.0.1", 443))]

    def call(address, timeout, source_address=None):
        called.append(address)
        raise OSError("not in a test")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", call)
    rules = ImageRules(allowed_hosts=("images.example.org",))
    found_refusal = refusal(rules, "https://images.example.org/1.png")
    assert found_refusal.code is APIErrorCode.REMOTE_IMAGE_FAILED
    assert "not in a test" not in found_refusal.message
    assert called == [("93.184.216.34", 443)]
    assert looked_up == ["images.example.org"]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://images.example.org", "https://images.example.org"),
        ("HTTPS://Images.Example.ORG:443/a%20b.png?c=d&e#f", "https://images.example.org/a%20b.png?c=d&e"),
        ("https://images.example.org:8443/1", "https://images.example.org:8443/1"),
        ("https://images.example.org/چاند.png", "https://images.example.org/%DA%86%D8%A7%D9%86%D8%AF.png"),
        ("https://images.example.org/क्\u200dष?q=é", "https://images.example.org/%E0%A4%95%E0%A5%8D%E2%80%8D%E0%A4%B7?q=%C3%A9"),
        ("https://भारत.example.org/1", "https://xn--h2brj9c.example.org/1"),
    ],
)  # fmt: skip
def test_good_addresses_are_asked_as_they_are(url, asked):
    hosts = ("images.example.org", "images.example.org:8443", "xn--h2brj9c.example.org")
    assert checked_address(url, ImageRules(allowed_hosts=hosts), None).geturl() == asked


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        getattr(self, self.path.strip("/"))()

    def start(self, status, length=None, location=None):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()

    def good(self):
        self.start(200, len(REMOTE_IMAGE))
        self.wfile.write(REMOTE_IMAGE)

    def moved(self):
        self.start(302, 0, "/good")

    def gone(self):
        self.start(404, 0)

    def broken(self):
        self.start(500, 0)

    def cut_off(self):
        self.start(200, 1000)
        self.wfile.write(REMOTE_IMAGE)

    def says_huge(self):
        self.start(200, 10**12)

    def is_huge(self):
        self.start(200)
        self.wfile.write(REMOTE_IMAGE * 100)

    def drips(self):
        self.start(200)
        for _ in range(100):
            self.wfile.write(b".")
            time.sleep(0.05)

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def server(monkeypatch):
    """The address of a server of the internet, as far as we know."""
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.handle_error = lambda *_: None  # those that we hang up on
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def rules_for(server, **settings):
    limits = ImageLimits(max_file_bytes=1000)
    return ImageRules(allowed_hosts=(server,), allow_http=True, limits=limits, **settings)


def test_an_image_is_fetched(server):
    async def read():
        reader = ImageReader(rules_for(server))
        return await asyncio.gather(*(reader.read(f"http://{server}/good") for _ in range(3)))

    assert asyncio.run(read()) == [REMOTE_IMAGE] * 3


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("moved", APIErrorCode.REMOTE_IMAGE_FAILED),
        ("gone", APIErrorCode.REMOTE_IMAGE_FAILED),
        ("broken", APIErrorCode.REMOTE_IMAGE_FAILED),
        ("cut_off", APIErrorCode.REMOTE_IMAGE_FAILED),
        ("drips", APIErrorCode.REMOTE_IMAGE_FAILED),
        ("says_huge", APIErrorCode.IMAGE_TOO_LARGE),
        ("is_huge", APIErrorCode.IMAGE_TOO_LARGE),
    ],
)
def test_a_server_costs_no_more_than_time_and_size_allow(server, name, code):
    start = time.monotonic()
    rules = rules_for(server, fetch_s=0.5 if name == "drips" else 30.0)
    assert refusal(rules, f"http://{server}/{name}").code is code
    assert time.monotonic() - start < 20


def test_encryption_must_be_good(server):
    rules = ImageRules(allowed_hosts=(server,))
    assert refusal(rules, f"https://{server}/good").code is APIErrorCode.REMOTE_IMAGE_FAILED
    assert refusal(rules, f"http://{server}/good").code is APIErrorCode.REMOTE_IMAGE_FORBIDDEN


def test_a_server_that_says_nothing_holds_up_a_bounded_number(monkeypatch):
    monkeypatch.setattr(fetch, "is_public", lambda address: True)

    async def ask(place):
        rules = rules_for(place, fetch_s=0.5, max_fetches=2, max_waiting=1)
        reader = ImageReader(rules)
        asked = (reader.read(f"http://{place}/{number}") for number in range(9))
        return await asyncio.gather(*asked, return_exceptions=True)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = asyncio.run(ask(f"127.0.0.1:{silent.getsockname()[1]}"))
    codes = [refused.code for refused in found]
    assert codes == [APIErrorCode.REMOTE_IMAGE_FAILED] * 3 + [APIErrorCode.OVERLOADED] * 6


def test_by_default_nothing_is_fetched():
    found = refusal(ImageRules(), "https://images.example.org/1.png")
    assert found.code is APIErrorCode.REMOTE_IMAGE_FORBIDDEN
    assert "data: URL" in found.message


@pytest.mark.parametrize("host", ["", "*", "https://a.org", "a.org/", "A.org", "[::1]", "ü.org"])
def test_allowed_hosts_are_plain_names(host):
    with pytest.raises(ConfigError, match="allowed_hosts has"):
        config.check(ImageRules(allowed_hosts=(host,)))
