"""How long /healthz waits while a stranger, a client and a visitor try their worst at once."""

import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import httpx
from abuse_parts.attacks import Victim
from abuse_parts.settings import AbuseBench, Role
from resuming import say

from palo.benchmark import Figure, spread
from palo.endpoint.connections import connection_settings

_HERE = Path(__file__).parent
_LONGEST_S = 0.05
_SPARE_S = 60.0


def measure_waits(settings: AbuseBench, root: Path) -> list[Figure]:
    """Probes an endpoint before and while it is attacked.

    Args:
        settings: The bench's.
        root: The checkout.
    """
    from abuse_parts.endpoint import served

    with (
        nullcontext(_running(settings))
        if settings.endpoint
        else served(root, settings.cache) as victim
    ):
        say(f"probing {victim.endpoint} for {settings.quiet_s:.0f} s while nobody attacks")
        quiet = _waits(_probe(victim, settings.quiet_s))
        say(f"attacking it for {settings.attack_s:.0f} s as {', '.join(settings.roles)}")
        attackers = {role: _attacker(role, victim, settings) for role in settings.roles}
        attacked = _waits(_probe(victim, settings.attack_s))
        for role, process in attackers.items():
            _show(role, process)
    return [*_figures("quiet", quiet), *_figures("attacked", attacked)]


def _running(settings: AbuseBench) -> Victim:
    headers = {"authorization": f"Bearer {settings.key}"}
    models = httpx.get(
        f"{settings.endpoint}/v1/models", headers=headers, **connection_settings(settings.endpoint)
    ).json()
    return Victim(
        endpoint=settings.endpoint,
        page=settings.page,
        key=settings.key,
        model=models["data"][0]["id"],
    )


def _probe(victim: Victim, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, str(_HERE / "probe.py"), victim.endpoint, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own


def _waits(probe: "subprocess.Popen[str]") -> list[float]:
    waits: list[float] = json.loads(probe.communicate()[0])
    return waits


def _attacker(role: Role, victim: Victim, settings: AbuseBench) -> "subprocess.Popen[str]":
    command = [sys.executable, str(_HERE / "attacker.py"), role]
    command += [str(settings.attack_s), str(settings.concurrency)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - our own
    assert process.stdin is not None
    process.stdin.write(json.dumps(dataclasses.asdict(victim)))
    process.stdin.close()
    process.stdin = None  # `communicate` would flush it
    return process


def _show(role: Role, process: "subprocess.Popen[str]") -> None:
    """Prints what came of an attacker's requests.

    Raises:
        RuntimeError: If it failed, so that the waits mean nothing.
    """
    outcomes, _ = process.communicate(timeout=_SPARE_S)
    if process.returncode:
        raise RuntimeError(f"the {role}'s attacks ended with {process.returncode}")
    for name, counts in json.loads(outcomes).items():
        say(f"  {role}, {name}: " + ", ".join(f"{n} x {what}" for what, n in counts.items()))


def _figures(when: str, waits: list[float]) -> Iterator[Figure]:
    longest = max(waits)
    target = {"target": _LONGEST_S, "better": "lower"} if when == "attacked" else {}
    yield Figure(
        name=f"healthz_{when}_longest_s",
        value=longest,
        unit="s",
        low=longest,
        high=longest,
        **target,  # type: ignore[arg-type]
    )
    cuts = statistics.quantiles(waits, n=1000)
    yield spread(f"healthz_{when}_median_s", [cuts[499]], "s")
    yield spread(f"healthz_{when}_p999_s", [cuts[998]], "s")
    late = sum(wait > _LONGEST_S for wait in waits) / len(waits)
    yield spread(f"healthz_{when}_share_beyond_50_ms", [late], "1")
