import pytest
from jobs import keys

from palo.api_errors import APIError
from palo.errors import ConfigError
from palo.security.access import Access, AccessSettings


def test_a_key_is_added_listed_used_and_revoked(tmp_path, capsys):
    file = ["--file", str(tmp_path / "keys.json")]
    keys.main(["add", "Amina's laptop", *file, "--limits.tokens-per-minute", "5000"])
    told, secret = capsys.readouterr().out.splitlines()
    key_id = told.split()[1]
    access = Access(AccessSettings(key_file=tmp_path / "keys.json"))
    assert access.authenticate(f"Bearer {secret}", None).limits.tokens_per_minute == 5000
    keys.main(["add", "phone", *file, "--tenant", "ward 7"])
    capsys.readouterr()
    keys.main(["list", *file])
    listed = capsys.readouterr().out
    assert "Amina's laptop: 600 requests and 5,000 tokens a minute, 64 at once" in listed
    assert "phone of ward 7: 600 requests" in listed
    assert secret not in listed
    keys.main(["revoke", key_id, *file])
    keys.main([*file])
    assert f"{key_id} for Amina's laptop is revoked" in (listed := capsys.readouterr().out)
    assert "Amina's laptop: revoked 20" in listed
    with pytest.raises(APIError):
        Access(AccessSettings(key_file=tmp_path / "keys.json")).authenticate(
            f"Bearer {secret}", None
        )


@pytest.mark.parametrize(
    "arguments",
    [["add"], ["revoke"], ["list", "name"], ["drop", "x"], ["list", "--tenant", "ward 7"]],
)
def test_what_makes_no_sense_is_one_line(tmp_path, arguments):
    with pytest.raises(ConfigError):
        keys.main([*arguments, "--file", str(tmp_path / "keys.json")])
