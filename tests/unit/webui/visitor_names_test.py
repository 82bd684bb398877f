import pytest

from palo.webui.tokens import Tokens
from palo.webui.visitor_names import VisitorNames

BY_ADDRESS = VisitorNames(by_login=False, trust_forwarded_for=False)


def request(owner="", forwarded=()):
    tokens = Tokens()
    visitor = tokens.visitor(tokens.give(None, owner))
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {
        "type": "http",
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "state": {"visitor": visitor},
    }


def test_a_visitor_is_whose_key_it_is_however_often_they_log_in():
    name = VisitorNames(by_login=True, trust_forwarded_for=True)
    assert name(request("amina")) == name(request("amina", forwarded=["1.2.3.4"])) == "amina"
    assert name(request("bilal")) == "bilal"


def test_tokens_that_everybody_gets_name_nobody():
    assert {BY_ADDRESS(request()) for _ in range(3)} == {"192.0.2.1"}


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
    assert VisitorNames(by_login=False, trust_forwarded_for=True)(scope) == name
    assert BY_ADDRESS(scope) == "192.0.2.1"


def test_without_an_address_there_is_one_visitor():
    assert BY_ADDRESS({"type": "http", "headers": [], "client": None}) == ""
