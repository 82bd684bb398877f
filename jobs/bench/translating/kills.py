"""Jobs that are killed at random moments and go on: nothing lost, nothing twice, nor paid twice."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from translating.serving import running_server

from palo import storage

_ROOT = Path(__file__).resolve().parents[3]
_POLL_S = 0.005
_LANGUAGE = "ur"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drill:
    """What came of a job that was killed again and again.

    Attributes:
        num_kills: How often it was killed while it worked.
        num_lost: Conversations that have no record.
        num_doubled: Records that are there more often than once.
        num_billed: Answers that the server charged for.
        num_paid_twice: Of those, the ones that it had charged for before.
        num_known_open: Requests without an answer, as the job itself reports them.
        is_equal: Whether the records are those of a job that nobody disturbed, byte by byte.
    """

    num_kills: int
    num_lost: int
    num_doubled: int
    num_billed: int
    num_paid_twice: int
    num_known_open: int
    is_equal: bool


def drill(
    rows: Path,
    dictionary: Path,
    folder: Path,
    *,
    kills: int,
    in_flight: int,
    faults: float,
    seed: int,
) -> Drill:
    """Translates once undisturbed, and once with kills.

    Args:
        rows: Conversations.
        dictionary: What the server knows.
        folder: An empty folder.
        kills: How many.
        in_flight: Requests at a time.
        faults: Share of the conversations that meet a fault.
        seed: Seed of the moments.
    """
    serving = {"dictionary": dictionary, "language": _LANGUAGE, "faults": faults}
    folder.mkdir(parents=True, exist_ok=True)
    with running_server(**serving, bill=folder / "calm.bill", latency_s=0.0) as url:
        _job(rows, folder / "calm", url, in_flight).communicate()
    bill = folder / "killed.bill"
    num_rows = len(storage.read_text(rows).splitlines())
    rng = random.Random(seed)  # noqa: S311 - moments of a drill
    num_kills = 0
    with running_server(**serving, bill=bill, latency_s=0.02) as url:
        # Each kill comes after so many further answers that all of them fall into the work.
        share = num_rows / (kills + 1)
        for _ in range(kills):
            process = _job(rows, folder / "killed", url, in_flight)
            wanted = _length(bill) + rng.randint(1, max(1, round(2 * share * 0.8)))
            while process.poll() is None and _length(bill) < wanted:
                time.sleep(_POLL_S)
            time.sleep(rng.uniform(0.0, 0.02))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                num_kills += 1
            process.communicate()
        last = _job(rows, folder / "killed", url, in_flight)
        _, said = last.communicate()
        if last.returncode:
            raise RuntimeError(f"the job failed: {said}")
    return _judged(folder, num_kills, num_rows)


def _judged(folder: Path, num_kills: int, num_rows: int) -> Drill:
    calm, killed = (
        storage.read_bytes(folder / name / "records" / f"{_LANGUAGE}.jsonl")
        for name in ("calm", "killed")
    )
    origins = Counter(json.loads(line)["origin_record_id"] for line in killed.splitlines())
    billed = Counter(storage.read_text(folder / "killed.bill").split())
    report = storage.read_json(folder / "killed" / "report.json")
    return Drill(
        num_kills=num_kills,
        num_lost=num_rows - len(origins),
        num_doubled=origins.total() - len(origins),
        num_billed=billed.total(),
        num_paid_twice=billed.total() - len(billed),
        num_known_open=report["costs"]["requests_without_answer"],
        is_equal=calm == killed,
    )


def _job(rows: Path, output: Path, url: str, in_flight: int) -> "subprocess.Popen[str]":
    command = [
        sys.executable, "jobs/translate.py", str(rows), "--to", _LANGUAGE, "--url", url,
        "--model", "dictionary", "--in-flight", str(in_flight), "--output", str(output),
        "--input-price", "1", "--output-price", "2",
    ]  # fmt: skip
    return subprocess.Popen(  # noqa: S603 - our own job
        command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _length(bill: Path) -> int:
    return storage.read_bytes(bill).count(b"\n") if bill.exists() else 0
