import asyncio

import pytest

from palo.security.forwarded import ProxySettings, PublicAddress

LOCAL = ProxySettings()
NETWORK = ProxySettings(trusted=("127.0.0.1", "10.0.0.0/8", "fd00::/8"))


def seen(
    settings, headers=(), *, peer="127.0.0.1", port=5, path="/login", root="", keeps_prefix=True
):
    """Returns the request that an application sees."""
    found = {}

    async def app(scope, receive, send):
        found.update(scope)

    pairs = [(b"host", b"127.0.0.1:8000")]
    pairs += [(name.encode(), value.encode()) for name, value in headers]
    scope = {
        "type": "http",
        "scheme": "http",
        "path": path,
        "root_path": root,
        "client": (peer, port) if peer else None,
        "headers": pairs,
    }
    asyncio.run(PublicAddress(app, settings, keeps_prefix=keeps_prefix)(scope, None, None))
    return found


def place(scope):
    """Returns scheme, host, and the client's address of a request."""
    client = scope["client"] and scope["client"][0]
    return scope["scheme"], dict(scope["headers"])[b"host"].decode(), client


FORWARDED = [
    ("x-forwarded-for", "198.51.100.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "palo.example"),
]


@pytest.mark.parametrize(
    "headers",
    [
        FORWARDED,
        [("forwarded", 'for=198.51.100.7;proto=https;host="palo.example"')],
        [("forwarded", 'For="198.51.100.7:4711"; Proto=https; Host=palo.example')],
        # What a client wrote itself stands in front of what the proxy added.
        [("x-forwarded-for", "6.6.6.6, 198.51.100.7"), *FORWARDED[1:]],
        [("x-forwarded-for", "6.6.6.6"), *FORWARDED],
        [("forwarded", "for=6.6.6.6;host=evil.example"), *FORWARDED],
        [("forwarded", "for=6.6.6.6;host=evil.example, "
          "for=198.51.100.7;proto=https;host=palo.example")],
    ],
)  # fmt: skip
def test_a_trusted_proxy_is_believed_and_only_its_own_word(headers):
    assert place(seen(LOCAL, headers)) == ("https", "palo.example", "198.51.100.7")


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.1.2.3", "::2", "nonsense", None])
@pytest.mark.parametrize("headers", [FORWARDED, [("forwarded", "for=6.6.6.6;host=evil.example")]])
def test_nobody_else_is_believed(peer, headers):
    assert place(seen(LOCAL, headers, peer=peer)) == ("http", "127.0.0.1:8000", peer)
    without = ProxySettings(trusted=())
    assert place(seen(without, headers)) == ("http", "127.0.0.1:8000", "127.0.0.1")


def test_a_server_that_has_read_the_client_already_loses_nothing():
    """Uvicorn, in Ray Serve's proxy, replaces its loopback peer by the client, with port 0."""
    told = seen(LOCAL, FORWARDED, peer="198.51.100.7", port=0)
    assert place(told) == ("https", "palo.example", "198.51.100.7")
    elsewhere = ProxySettings(trusted=("10.0.0.1",))
    assert place(seen(elsewhere, FORWARDED, peer="198.51.100.7", port=0))[1] == "127.0.0.1:8000"


def test_of_a_chain_the_first_that_isnt_ours_is_the_client():
    chain = [
        ("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.2.0.1"),
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-host", "palo.example, inner"),
    ]
    told = place(seen(NETWORK, chain, peer="10.0.0.9"))
    assert told == ("https", "palo.example", "198.51.100.7")
    inside = [("x-forwarded-for", "10.2.0.7, 10.2.0.1")]
    assert place(seen(NETWORK, inside, peer="::ffff:10.0.0.9"))[2] == "10.2.0.7"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-forwarded-for", "unknown"),
        ("x-forwarded-for", "_hidden"),
        ("x-forwarded-for", ""),
        ("x-forwarded-for", ", ,"),
        ("x-forwarded-for", "1.2.3.4.5"),
        ("x-forwarded-for", "[::1"),
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-host", "evil.example/path"),
        ("x-forwarded-host", "a@b"),
        ("x-forwarded-host", "a b"),
        ("x-forwarded-host", "h:999999"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-forwarded-prefix", "/a/../b?"),
        ("forwarded", "for"),
        ("forwarded", ";;,=,"),
    ],
)
def test_what_is_malformed_changes_nothing(name, value):
    found = seen(LOCAL, [(name, value)])
    assert place(found) == ("http", "127.0.0.1:8000", "127.0.0.1")
    assert (found["path"], found["root_path"]) == ("/login", "")


def test_the_headers_themselves_reach_nobody():
    """Gradio makes addresses of them, whoever wrote them."""
    more = [("x-gradio-server", "http://evil.example"), ("x-real-ip", "6.6.6.6")]
    for peer in ("127.0.0.1", "192.0.2.1"):
        found = seen(LOCAL, [*FORWARDED, *more, ("forwarded", "for=1.2.3.4")], peer=peer)
        assert [name for name, _ in found["headers"]] == [b"host"]


def test_the_public_address_needs_no_headers_and_wins_over_them():
    settings = ProxySettings(public_url="https://Palo.example:8443/")
    assert place(seen(settings)) == ("https", "palo.example:8443", "127.0.0.1")
    told = place(seen(settings, FORWARDED, peer="192.0.2.1"))
    assert told == ("https", "palo.example:8443", "192.0.2.1")
    assert place(seen(settings, FORWARDED))[2] == "198.51.100.7"


@pytest.mark.parametrize("path", ["/chat/login", "/palo/chat/login"])
def test_a_path_in_front_of_the_page_is_known_whether_the_proxy_cuts_it_off_or_not(path):
    settings = ProxySettings(public_url="https://example.org/palo")
    found = seen(settings, path=path, root="/chat")
    assert (found["path"], found["root_path"]) == ("/palo/chat/login", "/palo/chat")
    told = seen(LOCAL, [("x-forwarded-prefix", "/palo")], path=path, root="/chat")
    assert (told["path"], told["root_path"]) == ("/palo/chat/login", "/palo/chat")


@pytest.mark.parametrize("path", ["/v1/models", "/palo/v1/models"])
def test_the_api_gets_its_paths_without_what_is_in_front(path):
    settings = ProxySettings(public_url="https://example.org/palo")
    found = seen(settings, path=path, keeps_prefix=False)
    assert (found["path"], found["root_path"]) == ("/v1/models", "")
    assert found["state"]["public_prefix"] == "/palo"
    assert seen(settings, path="/palo", keeps_prefix=False)["path"] == "/"


@pytest.mark.parametrize(
    "values",
    [
        {"public_url": "palo.example"},
        {"public_url": "ftp://palo.example"},
        {"public_url": "https://palo.example/?x=1"},
        {"public_url": "https://user@palo.example"},
        {"public_url": "https://["},
        {"trusted": ("proxy.example",)},
        {"trusted": ("10.0.0.0/40",)},
    ],
)
def test_settings_that_are_wrong_are_named(values):
    (fault,) = ProxySettings(**values).faults()
    assert "must be" in fault
