"""What jobs count is on Ray's exporters, under the names that the dashboard asks for."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from jobs.bench.ray_head import free_ports, ray_head
from tests.conftest import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

_PATIENCE_S = 100.0
_JOB = """
import sys
import ray
from palo.progress import Meter
from palo.train.tracking.ray_gauges import RayGauges

ray.init(logging_level="error")

@ray.remote(num_cpus=1)
class Worker:
    def train(self):
        self.gauges = RayGauges("exported/finetune")
        self.gauges.log({"validation/bn": 1.5}, 5)

worker = Worker.remote()
ray.get(worker.train.remote())
meter = Meter("parse", "rows", print, 100)
meter.add(70)
meter.finish()
print("counted", flush=True)
sys.stdin.read()
"""
_WANTED = {
    'ray_palo_work_units_total{step="parse",unit="rows"}': 70.0,
    'ray_palo_train_step{run="exported/finetune"}': 5.0,
    'ray_palo_train_validation_language_loss{language="bn",run="exported/finetune"}': 1.5,
}
_LABELS = ("step", "unit", "run", "language")


@pytest.fixture(scope="module")
def exported():
    """The folder of a Ray in which a job has counted and still runs."""
    with tempfile.TemporaryDirectory(prefix="palo-metrics-") as folder:
        (port,) = free_ports(1)
        options = ["--num-cpus=2", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"]
        # Half of the usual ten seconds: gauges must be set again before two of these are over.
        often = {"RAY_metrics_report_interval_ms": "5000"}
        with ray_head(Path(folder), options, often) as environment:
            job = subprocess.Popen(
                [sys.executable, "-c", _JOB],
                env=environment | often,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                assert job.stdout is not None
                assert "counted\n" in iter(job.stdout.readline, "")
                yield Path(folder) / "ray"
            finally:
                job.kill()
                job.communicate()


def _until(found: Callable[[], object]) -> object:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(1.0)
    raise AssertionError("the metrics don't come")


def test_prometheus_reads_them_from_the_nodes_that_ray_names(exported):
    program = os.environ.get("PALO_PROMETHEUS") or shutil.which("prometheus")
    if program is None:
        pytest.skip("needs prometheus, or PALO_PROMETHEUS with its path")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"--prometheus={program}", "--no-dashboards", f"--port={port}"]
        monitor = subprocess.Popen(
            [sys.executable, ROOT / "jobs/monitor.py", *flags, f"--ray={exported}",
             f"--folder={folder}"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api:

            def there() -> bool:
                for series, value in _WANTED.items():
                    try:
                        found = api.get("/api/v1/query", params={"query": series}).json()
                    except httpx.HTTPError:
                        return False
                    if [float(one["value"][1]) for one in found["data"]["result"]] != [value]:
                        print(series, found["data"]["result"])  # shown where it fails
                        return False
                return True

            try:
                _until(there)
                # Long after it was set, longer than Ray remembers.
                time.sleep(15)
                assert there()
                # A name of Ray's own that the dashboard shows.
                memory = api.get("/api/v1/query", params={"query": "ray_node_mem_used"}).json()
                assert memory["data"]["result"]
            finally:
                monitor.send_signal(signal.SIGINT)
                monitor.communicate(timeout=60)
        assert monitor.returncode == 0


def test_they_are_on_the_exporter_with_their_labels(exported):
    from prometheus_client.parser import text_string_to_metric_families

    discovered = exported / "session_latest" / "prom_metrics_service_discovery.json"

    def scraped() -> bool:
        found: dict[str, float] = {}
        (nodes,) = json.loads(discovered.read_text())
        for target in nodes["targets"]:
            text = httpx.get(f"http://{target}/metrics", trust_env=False).text
            for family in text_string_to_metric_families(text):
                for one in family.samples:
                    if one.name.startswith("ray_palo_"):
                        labels = {key: value for key, value in one.labels.items() if key in _LABELS}
                        listed = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()))
                        found[f"{one.name}{{{listed}}}"] = one.value
        return _WANTED.items() <= found.items()

    _until(lambda: discovered.exists() and scraped())
