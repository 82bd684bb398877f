"""Adds, lists and revokes API keys of the endpoint; a running endpoint follows within a second.

python jobs/keys.py add NAME                           prints a new key, once
python jobs/keys.py add NAME --limits.tokens-per-minute 100000
python jobs/keys.py add NAME --tenant TEAM             shares cached work with keys of that team
python jobs/keys.py list
python jobs/keys.py revoke ID
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from palo import command, config
from palo.observability.logs import start_logging
from palo.security.keys import KEY_FILE, ApiKey, KeyLimits, add_key, read_keys, revoke_key
from palo.store import lasting_path


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyJob:
    """Adds, lists and revokes API keys of the endpoint.

    Attributes:
        action: What to do.
        name: The person or program that a new key is for, or the id of the key to revoke.
        file: The file of keys; by default the store's keys.json, if a store is set.
        limits: Rate limits of a new key.
        tenant: Team of a new key: its keys share cached prompts and images, and can thus find out
            by timing what the others have asked. A key without a team shares with no other key.
    """

    action: Positional[Literal["add", "list", "revoke"]] = "list"
    name: Positional[str] = ""
    file: Path = KEY_FILE
    limits: KeyLimits = field(default_factory=KeyLimits)
    tenant: str | None = None

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if (self.action == "list") == bool(self.name):
            yield "add takes a name, revoke an id, list none"
        if self.action != "add" and self.tenant is not None:
            yield "only a new key can be given a tenant"


def main(arguments: list[str]) -> None:
    """Runs the action and prints its result.

    Args:
        arguments: The command line.
    """
    wanted = command.override(KeyJob(), arguments, "jobs/keys.py")
    config.check(wanted)
    file = lasting_path(wanted.file) if wanted.file == KEY_FILE else wanted.file
    if wanted.action == "add":
        secret, key = add_key(file, wanted.name, wanted.limits, wanted.tenant)
        print(f"key {key.id} for {key.name}, in {file}; it is shown only now:\n{secret}")
    elif wanted.action == "revoke":
        key = revoke_key(file, wanted.name)
        print(f"key {key.id} for {key.name} is revoked")
    else:
        for key in read_keys(file):
            print(_line(key))


def _line(key: ApiKey) -> str:
    limits = key.limits
    allowed = (
        f"{_number(limits.requests_per_minute)} requests and "
        f"{_number(limits.tokens_per_minute)} tokens a minute, {_number(limits.concurrent)} at once"
    )
    state = f"revoked {key.revoked}" if key.revoked else allowed
    owner = key.name if key.tenant is None else f"{key.name} of {key.tenant}"
    return f"{key.id}  {key.created}  {owner}: {state}"


def _number(limit: int | None) -> str:
    return "any" if limit is None else f"{limit:,}"


if __name__ == "__main__":
    start_logging()  # changes of keys have a line of the audit log, on standard error
    command.run_job(main)
