import pytest
from starlette.datastructures import Headers

from palo.webui.request import cookies_of, visitor_cookie, without_cookies


@pytest.mark.parametrize(
    ("cookie", "found"),
    [
        ("a=1; b=two-3_4", {"a": "1", "b": "two-3_4"}),
        ('json={"x": [1, 2]}; a=1', {"a": "1"}),
        ('a="1"; b="\\073"; c=3', {"c": "3"}),
        ("a=1; a=2", {"a": "1"}),
        ("; =; a; b=;c=3", {"c": "3"}),
        ("a=" + "x" * 129, {}),
        ("a=é; b=1", {"b": "1"}),
    ],
)
def test_plain_cookies_are_found_among_others(cookie, found):
    headers = Headers(raw=[(b"cookie", cookie.encode())])
    assert {name: value for name, value in cookies_of(headers).items() if name} == found


def test_a_request_may_have_several_headers_with_cookies():
    headers = Headers(raw=[(b"cookie", b"a=1"), (b"cookie", b"b=2")])
    assert cookies_of(headers) == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("host", "scheme", "name"),
    [
        ("127.0.0.1:7860", "http", "palo_visitor_7860"),
        ("[::1]:7861", "http", "palo_visitor_7861"),
        ("[::1]", "http", "palo_visitor"),
        ("palo.example", "https", "__Host-palo_visitor"),
        ("palo.example:²", "http", "palo_visitor"),
    ],
)
def test_each_port_has_a_cookie_of_its_own(host, scheme, name):
    headers = [(b"host", host.encode("latin-1"))]
    assert visitor_cookie({"type": "http", "scheme": scheme, "headers": headers}) == name


def test_only_the_language_is_passed_on():
    headers = [(b"Cookie", b"palo_visitor=secret"), (b"accept", b"*/*"), (b"cookie", b"b=2")]
    assert without_cookies(headers, None) == [(b"accept", b"*/*")]
    assert without_cookies(headers, "ur")[1:] == [(b"cookie", b"palo_language=ur")]
