import os
import threading

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, StorageError
from palo.security.key_file import add_key, revoke_key
from palo.security.key_ring import KeyRing


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
    with pytest.raises(StorageError, match="can't read"):
        KeyRing(path)
    _, key = add_key(path, "laptop")
    revoke_key(path, key.id)
    with pytest.raises(ConfigError, match="no API key is good"):
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
    monkeypatch.setattr("palo.security.key_ring._LARGE_BYTES", 0)
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
