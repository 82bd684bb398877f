"""One attacker: repeats the attacks of a role for a while and prints their statuses, as JSON.

    python jobs/bench/abuse_parts/attacker.py ROLE SECONDS CONCURRENCY < VICTIM.json

It computes only when nothing else wants a core: attackers have machines of their own.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import cast

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from abuse_parts.attacks import Attack, Victim, attacks_of
from abuse_parts.settings import Role

_TIMEOUT_S = 60.0


async def run(role: Role, victim: Victim, seconds: float, concurrency: int) -> dict[str, object]:
    """Attacks, several requests at once; returns how often which status came, by attack."""
    outcomes: dict[str, Counter[str]] = {}
    limits = httpx.Limits(max_connections=None)
    # The victim is on this machine: a proxy of the environment is not attacked.
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, limits=limits, trust_env=False) as client:
        attacks = await attacks_of(role, victim, client)
        turns = cycle(attacks.items())
        until = time.monotonic() + seconds

        async def work() -> None:
            while time.monotonic() < until:
                name, attack = next(turns)
                left_s = max(0.1, until - time.monotonic() + 1)
                outcomes.setdefault(name, Counter()).update(await _outcome(attack, client, left_s))

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return {name: dict(counts) for name, counts in outcomes.items()}


async def _outcome(attack: Attack, client: httpx.AsyncClient, left_s: float) -> list[str]:
    try:
        async with asyncio.timeout(left_s):
            return [str(status) for status in await attack(client)]
    except TimeoutError:
        return ["unanswered at the end"]
    except (httpx.HTTPError, OSError) as error:  # a server may well hang up on an attacker
        return [type(error).__name__]


def main() -> None:
    """Runs an attacker."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    victim = Victim(**json.load(sys.stdin))
    role, seconds, concurrency = cast(Role, sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    json.dump(asyncio.run(run(role, victim, seconds, concurrency)), sys.stdout)


if __name__ == "__main__":
    main()
