import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from palo.errors import ConfigError, StorageError
from palo.security import keys
from palo.security.keys import KeyLimits, add_key, key_digest, read_keys, renew_key, revoke_key


@pytest.fixture
def path(tmp_path):
    return tmp_path / "below" / "keys.json"


def test_a_key_is_random_shown_once_and_kept_as_its_digest(path):
    secret, key = add_key(path, "laptop", KeyLimits(requests_per_minute=7, concurrent=None))
    other, _ = add_key(path, "উর্দু اردو")
    assert len(secret.removeprefix("sk-palo-")) == 43  # 32 bytes
    assert secret != other
    assert secret not in path.read_text()
    assert secret.removeprefix("sk-palo-") not in path.read_text()
    assert key.sha256 == key_digest(secret)
    assert [found.name for found in read_keys(path)] == ["laptop", "উর্দু اردو"]
    assert read_keys(path)[0] == key


def test_nobody_else_may_read_or_write_the_file(path):
    add_key(path, "laptop")
    add_key(path, "phone")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    path.chmod(0o622)
    with pytest.raises(ConfigError, match=r"others may write .* mode 622\. Run: chmod 600"):
        read_keys(path)


def test_a_revoked_key_stays_in_the_list_with_its_date(path):
    _, key = add_key(path, "laptop")
    add_key(path, "phone")
    revoked = revoke_key(path, key.id)
    assert revoked.revoked is not None
    assert revoke_key(path, key.id) == revoked
    assert [found.revoked is None for found in read_keys(path)] == [False, True]
    with pytest.raises(ConfigError, match=f"no such key: nix. Their ids are: {key.id}"):
        revoke_key(path, "nix")


def test_a_program_that_starts_again_and_again_keeps_one_key(path):
    add_key(path, "laptop")
    keys = [renew_key(path, "make serve")[1] for _ in range(3)]
    assert [found.id for found in read_keys(path)][1:] == [keys[-1].id]


@pytest.mark.parametrize("name", ["", "x" * 65, "two\nlines"])
def test_a_name_must_say_something_in_one_line(path, name):
    with pytest.raises(ConfigError, match="a key's name has from 1 to 64"):
        add_key(path, name)
    assert not path.exists()


@pytest.mark.parametrize("limit", ["requests_per_minute", "tokens_per_minute", "concurrent"])
def test_a_limit_lets_something_through(path, limit):
    with pytest.raises(ConfigError, match=f"{limit} must be at least 1"):
        add_key(path, "laptop", KeyLimits(**{limit: 0}))


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("{", StorageError, "not JSON"),
        ("[]", ConfigError, "no file of API keys"),
        ('{"keys": 1}', ConfigError, "no file of API keys"),
        ('{"keys": [1]}', ConfigError, "an object with fields"),
        ('{"keys": [{"id": "a"}]}', ConfigError, "incomplete"),
        (
            '{"keys": [{"id": "a", "name": "b", "created": "c", "sha256": "sk-palo-clear"}]}',
            ConfigError,
            "no SHA-256",
        ),
    ],
)
def test_a_damaged_file_is_told_and_left_as_it_is(path, text, error, told):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(error, match=told):
        read_keys(path)
    with pytest.raises(error, match=told):
        add_key(path, "laptop")
    assert path.read_text() == text


def test_a_missing_file_is_told(path):
    with pytest.raises(
        StorageError, match=f"no API keys yet: {path}\\. Add a key: python jobs/keys"
    ):
        read_keys(path)


def test_many_processes_lose_no_key_of_one_another(path):
    program = (
        "import sys; from pathlib import Path; from palo.security.keys import add_key\n"
        "for number in range(10): add_key(Path(sys.argv[1]), f'{sys.argv[2]}-{number}')"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(number)])
        for number in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    names = {key["name"] for key in json.loads(path.read_text())["keys"]}
    assert names == {f"{process}-{number}" for process in range(3) for number in range(10)}


def test_every_change_of_a_key_has_a_line_without_its_secret(path, caplog):
    caplog.set_level("INFO", "palo.audit")
    secret, key = add_key(path, "laptop", tenant="team")
    _, renewed = renew_key(path, "make serve")
    revoke_key(path, key.id)
    told = [(line.message, line.audit["key"]) for line in caplog.records]
    assert told == [
        ("key_added", key.id),
        ("key_renewed", renewed.id),
        ("key_revoked", key.id),
    ]
    assert caplog.records[0].audit["tenant"] == "team"
    everything = str([vars(line) for line in caplog.records])
    assert secret not in everything
    assert key.sha256 not in everything


def test_keys_of_a_tenant_are_read_again(path):
    _, key = add_key(path, "laptop", tenant="team")
    assert read_keys(path) == (key,)
    with pytest.raises(ConfigError, match="a key's tenant has from 1 to 64"):
        add_key(path, "phone", tenant="")


def test_keys_that_others_change_all_the_time_are_left_as_they_are(bucket, monkeypatch):
    """Regression: the command tried again without end."""
    path = bucket / "keys.json"
    add_key(path, "mine")
    monkeypatch.setattr(keys, "write_if", lambda *_: None)
    monkeypatch.setattr(keys, "_PAUSE_S", 0.0)
    with pytest.raises(StorageError, match="Nothing was changed"):
        add_key(path, "another")
    assert [key.name for key in read_keys(path)] == ["mine"]


def test_keys_in_a_store_are_added_and_revoked_by_several_at_once(bucket):
    path = bucket / "keys.json"
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda number: add_key(path, f"key {number}")[1], range(8)))
    assert {key.name for key in read_keys(path)} == {f"key {number}" for number in range(8)}
    revoke_key(path, added[0].id)
    (revoked,) = (key for key in read_keys(path) if key.revoked)
    assert revoked.id == added[0].id
    with pytest.raises(ConfigError, match="no such key: nobody"):
        revoke_key(path, "nobody")
    renew_key(path, "key 1")
    assert [key.name for key in read_keys(path)].count("key 1") == 1
    path.write_bytes(b"{")
    with pytest.raises(ConfigError, match="no file of API keys"):
        add_key(path, "another")
