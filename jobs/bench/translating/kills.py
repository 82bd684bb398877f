"""Jobs that are killed at random moments and go on: nothing lost, nothing twice, nor paid twice."""

import random
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
_LATENCY_S = 0.02
LANGUAGE = "bn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a drill does.

    Attributes:
        rows: Conversations.
        dictionary: What the server knows.
        folder: An empty folder.
        kills: How often the job is killed.
        in_flight: Requests at a time.
        faults: Share of the conversations that meet a fault.
        seed: Seed of the moments.
    """

    rows: Path
    dictionary: Path
    folder: Path
    kills: int
    in_flight: int
    faults: float
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Drill:
    """What came of a job that was killed again and again.

    Attributes:
        num_rows: Conversations.
        num_kills: How often it was killed while it worked.
        num_lost: Conversations that nothing has become of.
        num_doubled: Results, and records, that are there more often than once.
        num_wrong: Records that don't say what the dictionary says.
        num_billed: Whole answers that the server charged for.
        num_paid_twice: Of those, the ones that it had charged for before.
        num_open: Requests without an answer, as the job itself reports them.
    """

    num_rows: int
    num_kills: int
    num_lost: int
    num_doubled: int
    num_wrong: int
    num_billed: int
    num_paid_twice: int
    num_open: int


def drill(order: Order) -> Drill:
    """Translates with kills until all is done.

    Args:
        order: What to do.
    """
    bill = order.folder / "bill"
    num_rows = len(storage.read_text(order.rows).splitlines())
    rng = random.Random(order.seed)  # noqa: S311 - moments of a drill
    num_kills = 0
    serving = {"dictionary": order.dictionary, "language": LANGUAGE, "faults": order.faults}
    storage.ensure_folder(order.folder)
    with running_server(**serving, bill=bill, latency_s=_LATENCY_S) as url:
        # Each kill comes after so many further answers that all of them fall into the work.
        most = max(1, round(1.2 * num_rows / (order.kills + 1)))
        for _ in range(order.kills):
            process = _job(order, url)
            wanted = _length(bill) + rng.randint(1, most)
            while process.poll() is None and _length(bill) < wanted:
                time.sleep(_POLL_S)
            time.sleep(rng.uniform(0.0, _LATENCY_S))
            if process.poll() is None:
                process.kill()
                num_kills += 1
            process.communicate()
        last = _job(order, url)
        _, said = last.communicate()
        if last.returncode:
            raise RuntimeError(f"the job failed: {said}")
    return _judged(order, num_kills, num_rows)


def _judged(order: Order, num_kills: int, num_rows: int) -> Drill:
    job = order.folder / "job"
    known = storage.read_json(order.dictionary)
    asked = {
        str(row["id"]): [turn["value"] for turn in row["conversations"]]
        for _, row in storage.read_json_lines(order.rows)
    }
    results = Counter(
        row["source"]["record_id"] for _, row in storage.read_json_lines(job / "results.jsonl")
    )
    records: Counter[str] = Counter()
    num_wrong = 0
    for _, row in storage.read_json_lines(job / "records" / f"{LANGUAGE}.jsonl"):
        records[row["origin_record_id"]] += 1
        own_id = row["origin_record_id"].partition("/")[2].partition("@")[0]
        expected = [known[text][LANGUAGE] for text in asked[own_id]]
        num_wrong += [turn["value"] for turn in row["conversations"]] != expected
    bill = [line.split() for line in storage.read_text(order.folder / "bill").splitlines()]
    whole = Counter(name for name, fault in bill if fault != "half")
    report = storage.read_json(job / "report.json")
    return Drill(
        num_rows=num_rows,
        num_kills=num_kills,
        num_lost=num_rows - len(results),
        num_doubled=results.total() - len(results) + records.total() - len(records),
        num_wrong=num_wrong,
        num_billed=whole.total(),
        num_paid_twice=whole.total() - len(whole),
        num_open=report["costs"]["requests_without_answer"],
    )


def _job(order: Order, url: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable, "jobs/translate.py", str(order.rows), "--to", LANGUAGE,
        "--endpoint.url", url, "--endpoint.model", "dictionary",
        "--endpoint.in-flight", str(order.in_flight),
        "--endpoint.input-price", "1", "--endpoint.output-price", "2",
        "--output", str(order.folder / "job"),
    ]  # fmt: skip
    return subprocess.Popen(  # noqa: S603 - our own job
        command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _length(bill: Path) -> int:
    return storage.read_bytes(bill).count(b"\n") if bill.exists() else 0
