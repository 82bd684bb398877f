"""Prometheus and Grafana are configured, started, watched and ended; nothing else is touched."""

import configparser
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jobs.bench.ray_head import free_ports
from tests.conftest import ROOT

from palo import config
from palo.errors import ConfigError, ResourceError
from palo.observability.monitor import Monitor
from palo.observability.monitor_files import MonitorSettings

JOB = ROOT / "jobs" / "monitor.py"
BOARDS = ROOT / "cluster" / "grafana"
KEY = "sk-prometheus"
# Stands for either program: it answers on its port until it is ended, and tells its arguments.
_PROGRAM = """#!{python}
import http.server, pathlib, sys
port = int(pathlib.Path({port_file!r}).read_text())
print(*sys.argv[1:], flush=True)
class Ok(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", port), Ok).serve_forever()
"""
_PATIENCE_S = 90.0


@pytest.fixture
def ray_folder(tmp_path: Path) -> Path:
    """The folder of a Ray whose head is here."""
    session = tmp_path / "ray" / "session_latest"
    session.mkdir(parents=True)
    (session / "prom_metrics_service_discovery.json").write_text("[]")
    return tmp_path / "ray"


@pytest.fixture
def settings(tmp_path: Path, ray_folder: Path) -> MonitorSettings:
    """Both programs, played, on free ports."""
    ports = free_ports(2)
    paths = []
    for name, port in zip(("prometheus", "grafana"), ports, strict=True):
        port_file = tmp_path / f"{name}.port"
        port_file.write_text(str(port))
        path = tmp_path / "programs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(_PROGRAM.format(python=sys.executable, port_file=str(port_file)))
        path.chmod(0o755)
        paths.append(str(path))
    return MonitorSettings(
        prometheus=paths[0], grafana=paths[1], port=ports[0], grafana_port=ports[1],
        ray=ray_folder, folder=tmp_path / "monitor",
    )  # fmt: skip


def flags_of(settings: MonitorSettings) -> list[str]:
    """Returns the command line that gives these settings."""
    return [
        f"--prometheus={settings.prometheus}",
        f"--grafana={settings.grafana}",
        f"--port={settings.port}",
        f"--grafana-port={settings.grafana_port}",
        f"--ray={settings.ray}",
        f"--folder={settings.folder}",
    ]


@contextmanager
def monitored(*flags: str) -> "Iterator[subprocess.Popen[str]]":
    """Runs the job until its last line is there, and until the block ends."""
    command = [sys.executable, str(JOB), *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: "subprocess.Popen[str]") -> list[str]:
    """Returns what it says until it is ready."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.strip())
        if "Ctrl-C" in line:
            return lines
    raise AssertionError((lines, process.communicate()))


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_both_are_started_told_and_ended(settings: MonitorSettings, stop: signal.Signals) -> None:
    with monitored(*flags_of(settings)) as process:
        lines = told(process)
        assert f"http://127.0.0.1:{settings.port}" in lines[0]
        assert f"http://127.0.0.1:{settings.grafana_port}" in lines[1]
        assert answers(settings.port)
        assert answers(settings.grafana_port)
        process.send_signal(stop)
        assert process.wait(_PATIENCE_S) == 0
    assert not answers(settings.port)
    assert not answers(settings.grafana_port)
    assert settings.folder is not None
    arguments = (settings.folder / "prometheus.log").read_text().split()
    assert f"--web.listen-address=127.0.0.1:{settings.port}" in arguments
    assert "--storage.tsdb.retention.time=15d" in arguments


def test_prometheus_reads_the_nodes_from_rays_file_and_the_endpoint_with_a_key(
    settings: MonitorSettings, tmp_path: Path
) -> None:
    key = tmp_path / "palo.key"
    key.write_text(KEY)
    wanted = replace(settings, key_file=key, endpoint="https://example.org/palo/")
    Monitor(wanted, BOARDS, print)
    text = (tmp_path / "monitor" / "prometheus.yml").read_text()
    assert KEY not in text
    ray, palo = yaml.safe_load(text)["scrape_configs"]
    (files,) = ray["file_sd_configs"]
    assert [Path(one).exists() for one in files["files"]] == [True]
    assert palo["authorization"] == {"credentials_file": str(key)}
    assert palo["static_configs"] == [{"targets": ["example.org"]}]
    assert (palo["scheme"], palo["metrics_path"]) == ("https", "/palo/metrics")


def test_grafana_shows_our_dashboard_and_rays_to_loopback_alone(
    settings: MonitorSettings, tmp_path: Path
) -> None:
    Monitor(settings, BOARDS, print)
    folder = tmp_path / "monitor"
    ini = configparser.ConfigParser()
    ini.read(folder / "grafana.ini")
    assert ini["server"]["http_addr"] == "127.0.0.1"
    assert ini["analytics"]["reporting_enabled"] == "false"
    assert ini["auth.anonymous"]["org_role"] == "Viewer"
    provisioning = Path(ini["paths"]["provisioning"])
    sources = json.loads((provisioning / "datasources" / "palo.yaml").read_text())
    (source,) = sources["datasources"]
    assert source["url"] == f"http://127.0.0.1:{settings.port}"
    providers = json.loads((provisioning / "dashboards" / "palo.yaml").read_text())["providers"]
    paths = {one["name"]: Path(one["options"]["path"]) for one in providers}
    assert (paths["PALO"] / "palo.json").is_file()
    assert paths["Ray"] == settings.ray / "session_latest/metrics/grafana/dashboards"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prometheus": "no-such-program"}, r"apt-get install prometheus.*--prometheus PATH"),
        ({"grafana": "no-such-program"}, r"--no-dashboards"),
        ({"key_file": Path("/no/key")}, r"jobs/keys\.py add prometheus"),
        ({"ray": Path("/no/ray")}, r"Run this on the head"),
    ],
)
def test_what_is_missing_is_told_with_its_remedy(
    settings: MonitorSettings, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ResourceError, match=told):
        Monitor(replace(settings, **changes), BOARDS, print)


def test_a_port_that_is_taken_is_told_before_anything_starts(settings: MonitorSettings) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", settings.grafana_port), BaseHTTPRequestHandler)
    with server, pytest.raises(ResourceError, match=r"is taken.*--grafana-port"):
        Monitor(settings, BOARDS, print).run()
    assert not answers(settings.port)


def test_one_that_ends_ends_the_other_with_its_last_words(
    settings: MonitorSettings, tmp_path: Path
) -> None:
    Path(settings.grafana).write_text("#!/bin/sh\necho 'no such home'\nexit 3\n")
    with pytest.raises(ResourceError, match=r"grafana has ended with 3: no such home"):
        Monitor(settings, BOARDS, print).run()
    assert not answers(settings.port)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"port": 0}, "port is 0"), ({"keep_days": 0}, "keep_days is 0"), ({"endpoint": "x"}, "'x'")],
)
def test_wrong_settings_are_told(
    settings: MonitorSettings, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        config.check(replace(settings, **changes))


class _Endpoint(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        allowed = self.headers.get("authorization") == f"Bearer {KEY}"
        text = b"palo_open_requests 3\n" if allowed else b""
        self.send_response(200 if allowed else 401)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Writes nothing."""


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _until(found: Callable[[], Any]) -> Any:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.5)
    raise AssertionError("nothing came")


def test_a_real_prometheus_reads_a_node_and_the_endpoint(
    settings: MonitorSettings, tmp_path: Path
) -> None:
    program = os.environ.get("PALO_PROMETHEUS") or shutil.which("prometheus")
    if program is None:
        pytest.skip("needs prometheus, or PALO_PROMETHEUS with its path")
    key = tmp_path / "palo.key"
    key.write_text(KEY)
    with _serving(_Endpoint) as endpoint:
        discovered = settings.ray / "session_latest" / "prom_metrics_service_discovery.json"
        wanted = [f"--prometheus={program}", "--no-dashboards", f"--key-file={key}"]
        with monitored(*flags_of(settings), *wanted, f"--endpoint=http://{endpoint}") as process:
            told(process)
            api = httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", trust_env=False)

            def value_of(query: str) -> dict[str, str]:
                found = api.get("/api/v1/query", params={"query": query}).json()["data"]["result"]
                return {one["metric"]["job"]: one["value"][1] for one in found}

            with api:
                assert _until(lambda: value_of("palo_open_requests")) == {"palo": "3"}
                # A node that comes later is found: it asks for no key, so 401 is its answer here.
                node = [{"labels": {"job": "ray"}, "targets": [endpoint]}]
                discovered.write_text(json.dumps(node))
                assert _until(lambda: value_of('up{job="ray"}')) == {"ray": "0"}
                assert value_of("up")["palo"] == "1"
            process.send_signal(signal.SIGINT)
            assert process.wait(_PATIENCE_S) == 0
