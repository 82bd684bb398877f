"""Asks for /healthz at a steady pace and prints how long each answer took, as JSON.

    python jobs/bench/abuse_parts/probe.py http://127.0.0.1:8000 SECONDS

A process of its own, so that nothing but the endpoint and the operating system keeps it waiting.
"""

import http.client
import json
import sys
import time
from urllib.parse import urlsplit

_EVERY_S = 0.02
_TIMEOUT_S = 120.0


def main(url: str, seconds: float) -> None:
    """Probes and prints a list of seconds; a failure counts as the longest wait there can be."""
    host = urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=_TIMEOUT_S)
    waits: list[float] = []
    until = time.monotonic() + seconds
    while (started := time.monotonic()) < until:
        try:
            connection.request("GET", "/healthz")
            is_well = connection.getresponse().read() == b'{"status":"ok"}'
        except (OSError, http.client.HTTPException):
            is_well = False
            connection.close()
        took = time.monotonic() - started
        waits.append(took if is_well else _TIMEOUT_S)
        time.sleep(max(0.0, _EVERY_S - took))
    json.dump(waits, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
