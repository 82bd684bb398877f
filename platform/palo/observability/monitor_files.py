"""What Prometheus and Grafana are configured with, for a cluster whose head is this machine."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from palo import storage
from palo.errors import ResourceError

_SESSION = "session_latest"
_TARGETS = "prom_metrics_service_discovery.json"
_EVERY = "10s"
_LOOPBACK = "127.0.0.1"
# Read-only for whoever reaches loopback, without an account; it tells its makers nothing.
_GRAFANA_INI = """\
[server]
http_addr = {host}
http_port = {port}
[paths]
data = {folder}/grafana
logs = {folder}/grafana/log
plugins = {folder}/grafana/plugins
provisioning = {folder}/provisioning
[auth]
disable_login_form = true
[auth.anonymous]
enabled = true
org_role = Viewer
[security]
disable_initial_admin_creation = true
allow_embedding = true
[analytics]
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false
[news]
news_feed_enabled = false
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorSettings:
    """What is watched, and where.

    Attributes:
        prometheus: The program, by name or path.
        grafana: The program, by name or path.
        dashboards: Whether Grafana is started, too.
        port: Of Prometheus, on loopback.
        grafana_port: Of Grafana, on loopback.
        ray: The folder of Ray's sessions on the head (`--temp-dir`).
        endpoint: Address of the endpoint.
        key_file: File that holds a key of the endpoint and nothing else; without it the endpoint
            isn't asked.
        folder: Where configurations and measurements lie; by default in the user's cache.
        keep_days: How long measurements are kept.
    """

    prometheus: str = "prometheus"
    grafana: str = "grafana"
    dashboards: bool = True
    port: int = 9090
    grafana_port: int = 3000
    ray: Path = Path("/tmp/ray")  # noqa: S108 - Ray's own
    endpoint: str = "http://127.0.0.1:8000"
    key_file: Path | None = None
    folder: Path | None = None
    keep_days: int = 15

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("port", "grafana_port"):
            if not 0 < getattr(self, name) < 65536:
                yield f"{name} is {getattr(self, name)}, it must be from 1 to 65535"
        if self.keep_days < 1:
            yield f"keep_days is {self.keep_days}, it must be at least 1"
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            yield f"endpoint is {self.endpoint!r}, it must be like http://127.0.0.1:8000"

    def url(self, port: int) -> str:
        """Returns the address of a program that is started.

        Args:
            port: Its port.
        """
        return f"http://{_LOOPBACK}:{port}"


def write_prometheus(settings: MonitorSettings, folder: Path) -> list[str]:
    """Writes Prometheus's configuration.

    Args:
        settings: What is watched.
        folder: Where to write.

    Returns:
        The arguments that Prometheus takes.

    Raises:
        ResourceError: If no Ray with a dashboard has run on this machine, or there is no such key.
    """
    targets = settings.ray / _SESSION / _TARGETS
    if not targets.exists():
        raise ResourceError(
            "no head of a Ray cluster has run on this machine",
            seen=f"no {targets}",
            fix="Run this on the head (ray attach ray_cluster.yaml) after `ray up`; --ray names "
            "another folder of Ray's sessions.",
        )
    # By files that Ray renews as nodes come and go. Its exporters ask for no token.
    watched: dict[str, object] = {"files": [str(targets)], "refresh_interval": _EVERY}
    jobs: list[dict[str, object]] = [{"job_name": "ray", "file_sd_configs": [watched]}]
    if settings.key_file is not None:
        key = settings.key_file.expanduser().absolute()
        if not key.is_file():
            raise ResourceError(
                "there is no file with a key for the endpoint's metrics",
                seen=key,
                fix="Make a key (python jobs/keys.py add prometheus), and write it there.",
            )
        parts = urlsplit(settings.endpoint)
        palo: dict[str, object] = {"job_name": "palo", "scheme": parts.scheme}
        palo |= {"metrics_path": f"{parts.path.rstrip('/')}/metrics"}
        palo |= {"authorization": {"credentials_file": str(key)}}
        jobs.append(palo | {"static_configs": [{"targets": [parts.netloc]}]})
    every = {"scrape_interval": _EVERY, "evaluation_interval": _EVERY}
    path = folder / "prometheus.yml"
    storage.write_text(path, yaml.safe_dump({"global": every, "scrape_configs": jobs}))
    return [
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'measurements'}",
        f"--storage.tsdb.retention.time={settings.keep_days}d",
        f"--web.listen-address={_LOOPBACK}:{settings.port}",
    ]


def write_grafana(settings: MonitorSettings, folder: Path, boards: Path) -> list[str]:
    """Writes Grafana's configuration: Prometheus as its source, our dashboard and Ray's.

    Args:
        settings: What is watched.
        folder: Where to write.
        boards: Folder of our dashboards.

    Returns:
        The arguments that Grafana takes, behind those that name its home.
    """
    source = {"name": "Prometheus", "type": "prometheus", "access": "proxy", "isDefault": True}
    source["url"] = settings.url(settings.port)
    folders = {"PALO": boards.absolute()}
    folders["Ray"] = settings.ray / _SESSION / "metrics" / "grafana" / "dashboards"
    providers = [
        {"name": name, "folder": name, "type": "file", "options": {"path": str(path)}}
        for name, path in folders.items()
    ]
    for kind, values in (("datasources", [source]), ("dashboards", providers)):
        # Key "providers" for dashboards, "datasources" for sources; JSON is YAML.
        key = "providers" if kind == "dashboards" else kind
        path = folder / "provisioning" / kind / "palo.yaml"
        storage.write_text(path, json.dumps({"apiVersion": 1, key: values}, indent=2))
    ini = folder / "grafana.ini"
    storage.write_text(
        ini, _GRAFANA_INI.format(host=_LOOPBACK, port=settings.grafana_port, folder=folder)
    )
    return [f"--config={ini}"]
