import asyncio

import pytest

from palo.serve.client import Endpoint
from palo.serve.page.gate import COOKIE, Visitors
from palo.serve.page.visitor_names import VisitorNames


def request(cookie="", forwarded=()):
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
    headers += [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "headers": headers, "client": ("192.0.2.1", 1)}


def test_a_visitor_is_their_login_and_nothing_that_they_make_up(chat_server):
    chat_server.key = "sk-good"
    visitors = Visitors(Endpoint(url=chat_server.url))
    token = asyncio.run(visitors.admit("sk-good"))
    name = VisitorNames(visitors, trust_forwarded_for=False)
    assert name(request(token)) == token
    assert {name(request(made_up)) for made_up in ("", "a", "b")} == {"192.0.2.1"}
    assert VisitorNames(None, trust_forwarded_for=False)(request(token)) == "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded", "name"),
    [
        ((), "192.0.2.1"),
        (("198.51.100.7",), "198.51.100.7"),
        (("10.0.0.1, 198.51.100.7",), "198.51.100.7"),
        (("10.0.0.1", "198.51.100.7"), "198.51.100.7"),
    ],
)
def test_a_proxy_is_believed_only_if_told_so_and_only_its_own_word(forwarded, name):
    scope = request(forwarded=forwarded)
    assert VisitorNames(None, trust_forwarded_for=True)(scope) == name
    assert VisitorNames(None, trust_forwarded_for=False)(scope) == "192.0.2.1"


def test_without_an_address_there_is_one_visitor():
    scope = {"type": "http", "headers": [], "client": None}
    assert VisitorNames(None, trust_forwarded_for=False)(scope) == ""
