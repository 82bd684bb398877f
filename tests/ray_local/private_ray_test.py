"""A private Ray is nobody else's: not the network's, and not another user's of the machine."""

import os
import signal
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def _listening() -> Iterator[tuple[str, str, int]]:
    """Which processes of this session's Ray wait for connections: name, address and port."""
    driver = psutil.Process()
    for process in [driver, *driver.children(recursive=True)]:
        try:
            connections = process.net_connections(kind="inet")
        except psutil.NoSuchProcess:
            continue
        for one in connections:
            if one.status == psutil.CONN_LISTEN:
                yield process.name(), one.laddr.ip.removeprefix("::ffff:"), one.laddr.port


def test_it_listens_on_the_loopback_interface_alone() -> None:
    """Regression: GCS, raylet, agents and every worker listened on all interfaces."""
    import ray

    @ray.remote
    class Worker:
        def pid(self) -> int:
            return os.getpid()

    worker = Worker.remote()
    assert ray.get(worker.pid.remote())
    found = set(_listening())
    assert {"gcs_server", "raylet"} <= {name for name, _, _ in found}
    assert not {(name, ip) for name, ip, _ in found if not ip_address(ip).is_loopback}
    ray.kill(worker)


def test_sigterm_is_the_jobs_own(sigterms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: Ray's core printed a trace, set an alarm, and aborted the job when it rang."""
    monkeypatch.setattr(sigterms, "expected", True)
    before, _ = signal.getitimer(signal.ITIMER_REAL)  # the alarm of a test that hangs
    signal.raise_signal(signal.SIGTERM)
    assert sigterms.received == 1
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    assert before - 60 <= left <= before


def test_no_other_user_can_enter_its_folder() -> None:
    """Regression: sockets, logs and spilled objects lay in /tmp/ray, open to every user."""
    import ray

    session = Path(ray._private.worker._global_node.get_session_dir_path())
    folder = session.parents[1]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()


def test_it_demands_its_token() -> None:
    """Somebody without the token gets no answer from the process that knows everything."""
    import grpc
    import ray

    address = ray.get_runtime_context().gcs_address
    method = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(method)
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=20)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        known = (("authorization", f"Bearer {os.environ['RAY_AUTH_TOKEN']}"),)
        assert call(b"", timeout=20, metadata=known)


_PAGE = {"user-agent": "palo", "origin": "https://evil.example", "host": "evil.example"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/jobs/"),
        ("POST", "/api/job_agent/jobs/"),
        ("DELETE", "/api/serve/applications/"),
        ("PUT", "/api/serve/applications/"),
        ("POST", "/get_or_create_runtime_env"),
    ],
)
@pytest.mark.parametrize("headers", [_PAGE, {}])
def test_a_website_in_a_browser_starts_nothing(
    method: str, path: str, headers: dict[str, str]
) -> None:
    """CVE-2025-62593 and CVE-2026-27482: DNS rebinding, and guards that believed in User-Agent."""
    ports = {port for _, _, port in _listening()}
    assert ports
    answered = {}
    for port in ports:
        try:
            body = {"entrypoint": "true"}
            answer = httpx.request(
                method, f"http://127.0.0.1:{port}{path}", headers=headers, json=body, timeout=5
            )
        except httpx.HTTPError:  # no HTTP/1.1 there
            continue
        answered[port] = answer.status_code
    refusals = {401, 403, 404, 405}
    assert not {port: status for port, status in answered.items() if status not in refusals}
