"""API keys: each goes to the server that it is meant for, and nobody else gets to see it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fixtures.raw_server import raw_server, reply

from palo import client, config
from palo.endpoint.caller import Caller
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError
from palo.pipeline.bench_config import BenchRun
from palo.serve.chat_page.settings import PageSettings

_ROOT = Path(__file__).resolve().parents[2]
_KEY = "sk-everything-that-is-mine"
_FINE = json.dumps({"choices": [{"message": {"content": "fine"}}]}).encode()


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ("OPENAI_BASE_URL", "PALO_API_KEY", "A_KEY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", _KEY)


@pytest.fixture
def server():
    with raw_server(reply(_FINE)) as running:
        yield running


def ask(url, **settings):
    async def run():
        async with Caller(EndpointSettings(url=url, model="m", attempts=1, **settings)) as caller:
            return await caller.call({"messages": []})

    return asyncio.run(run())


def test_the_key_of_openai_goes_to_no_other_server_unasked(server, monkeypatch):
    ask(server.url)
    assert _KEY.encode() not in server.requests[0]
    ask(server.url, key_env="OPENAI_API_KEY")
    assert b"Bearer " + _KEY.encode() in server.requests[1]
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    ask(server.url)
    assert b"Bearer " + _KEY.encode() in server.requests[2]
    ask(server.url, key_env="")
    assert _KEY.encode() not in server.requests[3]


@pytest.mark.parametrize(
    ("url", "is_openai"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OpenAI.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("http://api.openai.com/v1", False),
        ("https://api.openai.com:8443/v1", False),
        ("https://api.openai.com.evil.org/v1", False),
        ("https://evilapi.openai.com/v1", False),
        ("https://openai.com/v1", False),
        ("https://evil.org/api.openai.com/v1", False),
        ("https://evil.org#.api.openai.com", False),
        ("https://evil.org?.api.openai.com", False),
        ("https://evil.org\\.api.openai.com", False),
        ("https://api.openai.com@evil.org/v1", False),
        ("https://evil.org\t.api.openai.com", False),
    ],
)
def test_openai_is_openai(url, is_openai):
    assert EndpointSettings(url=url, model="m").key_variable() == (
        "OPENAI_API_KEY" if is_openai else None
    )


@pytest.mark.parametrize(
    "base", ["https://proxy.example.org/v1", "https://proxy.example.org:443/other"]
)
def test_the_server_of_the_base_url_is_meant_too(base, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", base)
    for url, variable in (
        ("https://proxy.example.org/v1", "OPENAI_API_KEY"),
        ("https://proxy.example.org:8443/v1", None),
        ("http://proxy.example.org/v1", None),
        ("https://example.org/v1", None),
    ):
        assert EndpointSettings(url=url, model="m").key_variable() == variable


OPEN = ["http://10.0.0.7:8000/v1", "http://models.example.org/v1", "http://0.0.0.0:1/v1"]


@pytest.mark.parametrize("url", OPEN)
def test_no_key_crosses_a_network_in_the_open_unasked(url, monkeypatch):
    monkeypatch.setenv("A_KEY", _KEY)
    bulk = {"url": url, "model": "m", "key_env": "A_KEY"}
    chat = {"url": url, "api_key": _KEY}
    for settings in (EndpointSettings(**bulk), client.Endpoint(**chat)):
        with pytest.raises(ConfigError, match=r"unencrypted.*allow_insecure_http") as caught:
            config.check(settings)
        assert _KEY not in str(caught.value)
    for make in (
        lambda: Caller(EndpointSettings(**bulk)),
        lambda: client.ChatClient(client.Endpoint(**chat)),
        lambda: client.AsyncChatClient(client.Endpoint(**chat)),
    ):
        with pytest.raises(ConfigError, match="unencrypted"):
            make()
    # Said aloud, over TLS, within the machine, or without a key it goes.
    for changed in ({"allow_insecure_http": True}, {"url": url.replace("http:", "https:")}):
        config.check(EndpointSettings(**(bulk | changed)))
        client.ChatClient(client.Endpoint(**(chat | changed))).close()
    for own in ("http://localhost:1/v1", "http://127.9.9.9:1/v1", "http://[::1]:1/v1"):
        config.check(EndpointSettings(**(bulk | {"url": own})))
        client.ChatClient(client.Endpoint(**(chat | {"url": own}))).close()
    config.check(EndpointSettings(url=url, model="m"))
    client.ChatClient(client.Endpoint(url=url)).close()


@pytest.mark.parametrize("url", OPEN)
def test_no_page_takes_keys_that_it_would_send_in_the_open(url):
    with pytest.raises(ConfigError, match="unencrypted"):
        config.check(PageSettings(endpoint=client.Endpoint(url=url), login=True))
    config.check(PageSettings(endpoint=client.Endpoint(url=url)))


@pytest.mark.parametrize(
    "url",
    ["http://me:secret@127.0.0.1:1/v1", "https://secret@host/v1", "http://host/v1?key=secret"],
)
def test_secrets_in_an_address_are_refused_and_not_repeated(url):
    for make in (
        lambda: config.check(EndpointSettings(url=url, model="m")),
        lambda: Caller(EndpointSettings(url=url, model="m")),
        lambda: config.check(client.Endpoint(url=url)),
        lambda: client.ChatClient(client.Endpoint(url=url)),
    ):
        with pytest.raises(ConfigError) as caught:
            make()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "key", [f"{_KEY}\nX-Other: 1", f"{_KEY} x", f"{_KEY}\u00e9", f"\x00{_KEY}"]
)
def test_a_broken_key_is_told_without_showing_it(server, key, monkeypatch):
    with pytest.raises(ConfigError, match="characters that no key has") as caught:
        client.ChatClient(client.Endpoint(url=server.url, api_key=key))
    assert _KEY not in str(caught.value) + repr(caught.value)
    if "\x00" not in key:  # no environment holds one
        monkeypatch.setenv("A_KEY", key)
        with pytest.raises(ConfigError, match="characters that no key has") as caught:
            ask(server.url, key_env="A_KEY")
        assert _KEY not in str(caught.value) + repr(caught.value)
    assert server.requests == []


def test_the_line_end_of_a_file_is_no_part_of_a_key(server, monkeypatch):
    monkeypatch.setenv("A_KEY", f"{_KEY}\n")
    ask(server.url, key_env="A_KEY")
    assert (
        server.requests[0].endswith(_KEY.encode()) or f"{_KEY}\r\n".encode() in server.requests[0]
    )


def test_no_proxy_reads_the_key_of_a_server_on_this_machine(server, monkeypatch):
    with raw_server(reply(_FINE)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        ask(server.url, key_env="OPENAI_API_KEY")
        own = client.Endpoint(url=server.url, api_key=_KEY)
        with client.ChatClient(own) as chat:
            chat.answer(client.ChatQuestion(model="m", messages=(client.user("?"),)))
        assert proxy.requests == []
    assert len(server.requests) == 2


def _run(**changes):
    models = ("one=http://127.0.0.1:1/v1#a", "two=https://host/v1#b")
    return BenchRun(**({"bench": "b", "folder": Path(), "models": models} | changes))


def test_a_bench_gives_each_server_its_own_key():
    with pytest.raises(ConfigError, match="one key to 2 servers"):
        config.check(_run(key_env=("A_KEY",)))
    with pytest.raises(ConfigError, match="on no server: three"):
        config.check(_run(key_env=("three=A_KEY",)))
    with pytest.raises(ConfigError, match="model two: url holds a user"):
        config.check(_run(models=("two=https://me:secret@host/v1#b",)))
    run = _run(key_env=("two=A_KEY",))
    config.check(run)
    variables = {model.name: run.server(model).key_variable() for model in run.named_models()}
    assert variables == {"one": None, "two": "A_KEY"}
    (alone,) = (
        one := _run(models=("one=http://127.0.0.1:1/v1#a",), key_env=("A_KEY",))
    ).named_models()
    assert one.server(alone).key_variable() == "A_KEY"


@pytest.mark.parametrize("job", ["chat.py", "gallery.py"])
def test_jobs_lend_the_key_to_nobody_on_the_way(job):
    done = subprocess.run(
        [sys.executable, str(_ROOT / "jobs" / job), "--endpoint", "http://10.0.0.7:8000"],
        env=os.environ | {"PALO_API_KEY": _KEY},
        input=b"",
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert b"unencrypted" in done.stderr
    assert _KEY.encode() not in done.stdout + done.stderr


def test_a_refused_key_is_told_with_the_variable_that_is_missing(monkeypatch):
    with raw_server(reply(b"{}", "401 Unauthorized")) as server:
        with pytest.raises(ConfigError, match=r"--key-env NAME.*OPENAI_API_KEY unasked goes to"):
            ask(server.url)
        with pytest.raises(ConfigError, match="variable A_KEY"):
            ask(server.url, key_env="A_KEY")
