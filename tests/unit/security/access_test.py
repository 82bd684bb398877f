import asyncio
import os
import threading
import time

import pytest

from palo import config
from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, PaloError, StorageError
from palo.security.access import Access, AccessSettings, KeyRing, LoopbackOnly
from palo.security.keys import UNKEYED, add_key, key_digest, revoke_key


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.9", "::1", "[::1]", "localhost"])
def test_keys_are_off_on_loopback_alone(host):
    config.check(AccessSettings(host=host, no_keys=True))
    config.check(AccessSettings(host="0.0.0.0", no_keys=False))


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.7", "8.8.8.8", "example.org", "localhost.example.org"]
)
def test_keys_are_not_off_anywhere_else(host):
    with pytest.raises(ConfigError, match="no_keys needs a loopback host"):
        config.check(AccessSettings(host=host, no_keys=True))


def test_by_default_it_asks_for_keys_and_listens_on_loopback():
    settings = AccessSettings()
    assert (settings.host, settings.no_keys) == ("127.0.0.1", False)


def test_with_keys_the_key_decides(tmp_path):
    secret, key = add_key(tmp_path / "keys.json", "laptop")
    access = Access(AccessSettings(key_file=tmp_path / "keys.json"))
    assert access.requires_keys
    assert access.authenticate(f"Bearer {secret}", "palo.example.org") == key
    with pytest.raises(APIError) as caught:
        access.authenticate(None, "127.0.0.1:8000")
    assert caught.value.code is APIErrorCode.INVALID_API_KEY


def test_without_keys_a_name_that_leads_here_is_not_enough():
    access = Access(AccessSettings(no_keys=True))
    assert not access.requires_keys
    for host in ("127.0.0.1:8000", "localhost", "LOCALHOST:80", "[::1]:8000"):
        assert access.authenticate(None, host) is UNKEYED
        assert access.authenticate("Bearer anything", host) is UNKEYED
    for host in (None, "", "rebound.example.org:8000", "127.0.0.1.nip.io", "[::]:80", "0.0.0.0"):
        with pytest.raises(APIError, match="on its own address only"):
            access.authenticate(None, host)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"host": "127.0.0.1:8000"}, True),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, True),
        ({"host": "[::1]:8000", "origin": "http://[::1]:8000"}, True),
        ({"host": "127.0.0.1:8000", "origin": "https://evil.example"}, False),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1.evil.example:8000"}, False),
        ({"host": "127.0.0.1:8000", "origin": "null"}, False),
        ({"host": "127.0.0.1:8000", "origin": ""}, False),
        ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_pages_of_the_web_reach_nothing(kind, headers, passes):
    passed = []

    async def app(scope, receive, send):
        passed.append(scope)

    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    asking = LoopbackOnly(app)({"type": kind, "headers": named}, None, None)
    if passes:
        asyncio.run(asking)
    else:
        with pytest.raises(APIError):
            asyncio.run(asking)
    assert len(passed) == passes


def test_cached_work_is_shared_by_one_key_one_tenant_or_by_choice_by_all(tmp_path):
    path = tmp_path / "keys.json"
    alone, other = add_key(path, "laptop")[1], add_key(path, "phone")[1]
    team = [add_key(path, name, tenant=alone.id)[1] for name in "ab"]
    access = Access(AccessSettings(key_file=path))
    salts = [access.cache_salt(key) for key in (alone, other, *team)]
    assert "" not in salts
    assert salts[2] == salts[3]
    assert len(set(salts)) == 3  # a tenant that is named like a key is still another one
    assert access.reports_cached_tokens
    shared = Access(AccessSettings(key_file=path, cache_sharing="all"))
    assert {shared.cache_salt(key) for key in (alone, *team)} == {""}
    assert not shared.reports_cached_tokens
    single = Access(AccessSettings(no_keys=True))
    assert single.cache_salt(UNKEYED) == ""
    assert single.reports_cached_tokens
    single.require_active(UNKEYED)


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def refused(ring, authorization):
    with pytest.raises(APIError) as caught:
        ring.find(authorization)
    assert caught.value.code is APIErrorCode.INVALID_API_KEY
    assert caught.value.code.status == 401
    return caught.value.message


def test_each_key_is_found(path):
    made = [add_key(path, name) for name in ("laptop", "phone", "دفتر")]
    ring = KeyRing(path)
    for secret, key in made:
        assert ring.find(f"Bearer {secret}") == key
        assert ring.find(f"bearer   {secret} ") == key


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic {secret}",
        "{secret}",
        "Bearer {secret}x",
        "Bearer {start}",
        "Bearer {digest}",
        "Bearer {secret} {secret}",
        "Bearer nul\0 und \udcff ключ",
        "Bearer " + "x" * 100_000,
    ],
)
def test_anything_else_is_refused_without_being_repeated(path, authorization):
    secret, key = add_key(path, "laptop")
    if authorization:
        authorization = authorization.format(secret=secret, start=secret[:-1], digest=key.sha256)
    message = refused(KeyRing(path), authorization)
    assert secret[:-1] not in message
    assert len(message) < 200


def test_changes_of_the_file_are_noticed_within_a_second(path, clock):
    first, key = add_key(path, "laptop")
    ring = KeyRing(path, clock)
    second, _ = add_key(path, "phone")
    refused(ring, f"Bearer {second}")
    clock.now_s += 1.1
    assert ring.find(f"Bearer {second}").name == "phone"
    revoke_key(path, key.id)
    clock.now_s += 1.1
    assert "revoked" in refused(ring, f"Bearer {first}")


def test_a_file_that_was_damaged_meanwhile_changes_nothing(path, clock, caplog):
    secret, _ = add_key(path, "laptop")
    ring = KeyRing(path, clock)
    whole = path.read_text()
    path.write_text(whole[:40])
    clock.now_s += 2
    assert ring.find(f"Bearer {secret}").name == "laptop"
    assert "the keys stay as they were" in caplog.text
    path.write_text('{"keys": []}')
    clock.now_s += 2
    refused(ring, f"Bearer {secret}")
    path.write_text(whole)
    os.utime(path, ns=(1, 1))
    clock.now_s += 2
    assert ring.find(f"Bearer {secret}").name == "laptop"


def test_without_its_file_no_key_is_good(path, clock, caplog):
    secret, _ = add_key(path, "laptop")
    ring = KeyRing(path, clock)
    path.unlink()
    clock.now_s += 2
    refused(ring, f"Bearer {secret}")
    assert "is gone" in caplog.text


def test_it_does_not_start_where_nobody_could_ask(path):
    with pytest.raises(StorageError, match="no API keys yet"):
        KeyRing(path)
    _, key = add_key(path, "laptop")
    revoke_key(path, key.id)
    with pytest.raises(ConfigError, match="no API key is valid"):
        KeyRing(path)


def test_a_key_is_held_until_it_is_revoked(path, clock):
    _, key = add_key(path, "laptop")
    add_key(path, "phone")
    ring = KeyRing(path, clock)
    assert ring.holds(key)
    revoke_key(path, key.id)
    clock.now_s += 1.1
    assert not ring.holds(key)


def test_a_large_file_is_read_again_aside(path, clock, monkeypatch, caplog):
    caplog.set_level("INFO", "palo")
    monkeypatch.setattr("palo.security.access._LARGE_BYTES", 0)
    _, key = add_key(path, "laptop")
    secret, _ = add_key(path, "phone")
    ring = KeyRing(path, clock)
    revoke_key(path, key.id)
    clock.now_s += 1.1
    ring.find(f"Bearer {secret}")
    for thread in threading.enumerate():
        if thread.name == "palo-keys":
            thread.join()
    assert not ring.holds(key)
    (dropped,) = (record for record in caplog.records if record.message == "key_dropped")
    assert dropped.audit == {"key": key.id, "key_name": "laptop"}


def test_keys_in_a_store_are_followed_beside_the_requests(bucket, monkeypatch, caplog):
    now = [0.0]
    path = bucket / "keys.json"
    secret, key = add_key(path, "laptop")
    ring = KeyRing(path, clock=lambda: now[0])
    assert ring.find(f"Bearer {secret}") == key

    def later(holds):
        until = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < until
            now[0] += 2.0
            ring.holds(key)
            time.sleep(0.02)

    second, _ = add_key(path, "phone")
    later(lambda: key_digest(second) in ring._keys)
    revoke_key(path, key.id)
    later(lambda: not ring.holds(key))
    # A store that is away revokes nothing, and no request waits for it.
    monkeypatch.setenv("PALO_S3_ATTEMPTS", "1")
    monkeypatch.setattr(type(path), "stat", _away)
    now[0] += 2.0
    assert ring.find(f"Bearer {second}").name == "phone"
    later(lambda: "the keys stay as they were" in caplog.text)
    assert ring.find(f"Bearer {second}").name == "phone"


def _away(path, **options):
    raise StorageError("can't read", seen=path, fix="Wait.")


def test_an_endpoint_can_wait_for_its_first_key(path, clock):
    ring = KeyRing(path, clock, may_lack_keys=True)
    refused(ring, "Bearer sk-palo-none")
    secret, _ = add_key(path, "laptop")
    clock.now_s += 1.1
    assert ring.find(f"Bearer {secret}").name == "laptop"


def test_waiting_for_a_key_forgives_no_damaged_file(path, clock):
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(PaloError):
        KeyRing(path, clock, may_lack_keys=True)
