"""Prometheus and Grafana for data, training and serving, on the head of a cluster.

    python jobs/monitor.py --key-file ~/palo/prometheus.key
    python jobs/monitor.py --no-dashboards --prometheus ~/prometheus/prometheus

Both listen on loopback: reach them through a tunnel, `ray attach ray_cluster.yaml -p 3000`. The
programs must be installed; nothing is downloaded. Ctrl-C ends what was started.
"""

import sys
from pathlib import Path

from palo import command, config
from palo.observability.monitor import Monitor
from palo.observability.monitor_files import MonitorSettings

_BOARDS = Path(__file__).resolve().parents[1] / "cluster" / "grafana"


def main(arguments: list[str]) -> None:
    """Starts both and waits.

    Args:
        arguments: The command line.
    """
    settings = command.override(MonitorSettings(), arguments, "jobs/monitor.py")
    config.check(settings)
    monitor = Monitor(settings, _BOARDS, lambda line: print(line, flush=True))
    try:
        monitor.run()
    except KeyboardInterrupt:
        print("ended", file=sys.stderr)


if __name__ == "__main__":
    command.run_job(main)
