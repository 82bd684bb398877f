import ast
import asyncio

import httpx
import pytest
from tests.conftest import ROOT

from palo import client
from palo.endpoint.caller import Caller
from palo.endpoint.connections import connection_settings
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def proxies(monkeypatch):
    """A proxy of the environment that answers nothing."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", NOWHERE)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_servers_on_this_machine_are_reached_past_the_proxy(completions, host):
    url = completions.url.replace("127.0.0.1", host)

    async def ask():
        async with Caller(EndpointSettings(url=url, model="m")) as caller:
            return await caller.call({"messages": []})

    assert asyncio.run(ask()).text == "fine"
    question = client.ChatQuestion(model="m", messages=(client.user("?"),))
    with client.ChatClient(client.Endpoint(url=url)) as own:
        assert own.answer(question) == "fine"


@pytest.mark.parametrize(
    ("url", "exempt", "trusted"),
    [
        ("http://127.0.0.2:1/v1", "", False),
        ("http://[::1]:1/v1", "", False),
        ("http://[::ffff:127.0.0.1]:1/v1", "", False),
        ("http://localhost.:1/v1", "", False),
        ("http://10.1.2.3:1/v1", "", True),
        ("http://10.1.2.3:1/v1", "example.org, 10.0.0.0/8", False),
        ("http://11.1.2.3:1/v1", "10.0.0.0/8, nonsense/99", True),
        ("https://host/v1", "10.0.0.0/8", True),
    ],
)
def test_one_rule_says_who_is_reached_through_a_proxy(monkeypatch, url, exempt, trusted):
    monkeypatch.setenv("no_proxy", exempt)
    assert connection_settings(url)["trust_env"] is trusted


@pytest.mark.parametrize("proxy", ["socks5://host:1", "ftp://host:1", "http://[::1"])
def test_a_proxy_that_can_t_be_used_is_told(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConfigError, match="proxies of the environment"):
        Caller(EndpointSettings(url="http://10.1.2.3:1/v1", model="m"))
    connection_settings("http://127.0.0.1:1/v1")


def test_certificates_that_are_not_there_are_told(monkeypatch):
    from palo.endpoint import connections

    def create():
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(httpx, "create_ssl_context", create)
    connections._tls.cache_clear()
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        connection_settings("https://host/v1")


def test_every_client_follows_the_rule():
    """Regression: benches sent what was meant for this machine to the environment's proxy."""
    loose = []
    for folder in ("platform", "jobs", "apps"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                owner = node.func.value
                is_http = isinstance(owner, ast.Name) and owner.id == "httpx"
                opens = node.func.attr in ("Client", "AsyncClient", "get", "post", "stream")
                given = {keyword.arg for keyword in node.keywords}
                if is_http and opens and not given & {None, "trust_env"}:
                    loose.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    # The one of them that sends nothing reads the proxies to check them.
    assert [place.rpartition(":")[0] for place in loose] == [
        "platform/palo/endpoint/connections.py"
    ]
