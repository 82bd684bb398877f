import pytest

from palo.webui import visitors
from palo.webui.visitors import Tokens, VisitorNames


def test_a_token_is_good_for_a_while(monkeypatch):
    known = Tokens()
    token = known.issue("sk")
    assert known.value(token) == "sk"
    assert not known.knows("another")
    assert not known.knows(None)
    monkeypatch.setattr(visitors, "STAY_S", -1)
    assert not known.knows(known.issue("sk"))


def test_one_owner_pushes_out_only_their_own_logins():
    """Regression: ten thousand logins of one key pushed everybody out."""
    known = Tokens(most_of_one=3)
    other = known.issue("b", "bob")
    mine = [known.issue("a", "ann") for _ in range(10_001)]
    assert known.knows(other)
    assert [known.knows(token) for token in mine[-4:]] == [False, True, True, True]


def test_where_there_is_no_room_left_the_one_with_most_makes_it(monkeypatch):
    monkeypatch.setattr(visitors, "_MAX_VISITORS", 4)
    known = Tokens(most_of_one=3)
    first = known.issue("b", "bob")
    mine = [known.issue("a", "ann") for _ in range(3)]
    third = known.issue("c", "cem")
    assert [known.knows(token) for token in (first, *mine, third)] == [
        True, False, True, True, True,
    ]  # fmt: skip


def test_who_is_pushed_out_or_leaves_is_gone():
    known = Tokens(most_of_one=1)
    first = known.visitor(token := known.issue("a", "ann"))
    second = known.visitor(known.issue("a", "ann"))
    assert first.gone.is_set()
    assert not second.gone.is_set()
    known.revoke(token)
    known.revoke(None)


def test_the_token_itself_is_nowhere_to_be_read():
    known = Tokens()
    token = known.issue("sk")
    visitor = known.visitor(token)
    assert token not in repr(known.__dict__)
    assert visitor.id not in token


def test_of_very_many_uploads_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(visitors, "_MAX_FILES", 2)
    visitor = (known := Tokens()).visitor(known.issue("sk"))
    for path in ("/1", "/2", "/1", "/3"):
        visitor.add_file(path)
    assert list(visitor.files) == ["/1", "/3"]


@pytest.mark.parametrize("token", ["\udcff", "", "é" * 1000])
def test_any_text_may_come_as_a_token(token):
    assert not Tokens().knows(token)


BY_ADDRESS = VisitorNames(by_login=False)


def request(owner=""):
    tokens = Tokens()
    visitor = tokens.visitor(tokens.issue(None, owner))
    return {
        "type": "http",
        "headers": [],
        "client": ("192.0.2.1", 1),
        "state": {"visitor": visitor},
    }


def test_a_visitor_is_whose_key_it_is_however_often_they_log_in():
    name = VisitorNames(by_login=True)
    assert name(request("amina")) == name(request("amina") | {"client": None}) == "amina"
    assert name(request("bilal")) == "bilal"


def test_tokens_that_everybody_gets_name_nobody():
    assert {BY_ADDRESS(request()) for _ in range(3)} == {"192.0.2.1"}


def test_without_an_address_there_is_one_visitor():
    assert BY_ADDRESS({"type": "http", "headers": [], "client": None}) == ""
