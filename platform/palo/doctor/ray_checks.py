"""Checks of a running cluster, through the dashboard that also takes its jobs."""

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx

from palo.doctor.access_checks import TOKEN
from palo.doctor.finding import Finding, fault, good, warning

ADDRESS = "http://127.0.0.1:8265"
"""Where `ray dashboard` leads to the dashboard of a cluster."""
_WAIT_S = 10.0
_REFUSED = (401, 403)
_FULL_DISK, _FULL_MEMORY = 90.0, 93.0  # percent


def dashboard_address() -> str:
    """Returns the address of the dashboard that `ray job submit` would use."""
    named = os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS", "")
    return named if named.startswith("http") else ADDRESS


def check_cluster(address: str, transport: httpx.BaseTransport | None = None) -> Iterator[Finding]:
    """Yields whether a cluster can be reached, takes our token, and runs our version of Ray.

    Args:
        address: The dashboard's address.
        transport: What carries requests; None for the network.
    """
    headers = {"Authorization": f"Bearer {token}"} if (token := _token()) else {}
    with httpx.Client(
        base_url=address, headers=headers, timeout=_WAIT_S, transport=transport, trust_env=False
    ) as client:
        try:
            found = client.get("/api/version")
            if found.status_code in _REFUSED:
                yield _refused(address, token)
                return
            theirs = str(found.raise_for_status().json()["ray_version"])
            nodes = client.get("/nodes", params={"view": "summary"}).raise_for_status().json()
        except httpx.TransportError as error:
            yield fault(
                "cluster",
                f"nothing answers at {address} ({error})",
                "Start it, open a tunnel (ray dashboard ray_cluster.yaml), or name another address "
                "by RAY_API_SERVER_ADDRESS.",
            )
            return
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
            yield fault(
                "cluster",
                f"what answers at {address} is no dashboard of Ray ({error})",
                "Name another address by RAY_API_SERVER_ADDRESS.",
            )
            return
    yield _compare(theirs)
    yield from _check_nodes(nodes)


def _token() -> str:
    given = os.environ.get("RAY_AUTH_TOKEN")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN).expanduser()
    return given or (path.read_text(encoding="utf-8").strip() if path.is_file() else "")


def _refused(address: str, token: str) -> Finding:
    if not token:
        return fault(
            "token",
            f"{address} asks for a token, and there is none here",
            "Copy the cluster's ~/.ray/auth_token to this machine, with mode 600.",
        )
    return fault(
        "token",
        f"{address} refuses the token of this machine",
        "Copy ~/.ray/auth_token from the machine that started the cluster.",
    )


def _compare(theirs: str) -> Finding:
    try:
        ours = version("ray")
    except PackageNotFoundError:
        return warning("Ray", f"{theirs} there, none here", "Run make setup to submit jobs.")
    if ours == theirs:
        return good("Ray", f"{ours} here and there")
    return fault(
        "Ray",
        f"{theirs} on the cluster, {ours} here",
        "Run make setup here and ray up there, from the same checkout.",
    )


def _check_nodes(answer: dict[str, Any]) -> Iterator[Finding]:
    """Yields what the dashboard knows of each node, as far as it gives cause."""
    nodes = answer.get("data", {}).get("summary", [])
    alive = [node for node in nodes if node.get("raylet", {}).get("state") == "ALIVE"]
    dead = len(nodes) - len(alive)
    text = f"{len(alive)} alive" + (f", {dead} gone" if dead else "")
    yield good("nodes", text) if alive else fault("nodes", text, "Start the cluster again.")
    for node in alive:
        name = f"{node.get('hostname', '?')} ({node.get('ip', '?')})"
        disk = node.get("disk", {}).get("/", {})
        if disk.get("percent", 0) >= _FULL_DISK:
            yield warning(
                "nodes", f"the disk of {name} is {disk['percent']:.0f} % full", "Make room there."
            )
        memory = node.get("mem") or [0, 0, 0]
        if memory[2] >= _FULL_MEMORY:
            yield warning(
                "nodes",
                f"the memory of {name} is {memory[2]:.0f} % full",
                "Ray kills workers there from 95 % on.",
            )
