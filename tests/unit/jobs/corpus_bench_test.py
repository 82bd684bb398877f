"""The corpus bench: rows with the paper's counts, the same every time, and whom a drill kills."""

import itertools
import json
import random
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from palo import languages
from palo.data.records import Origin, Record, parse_llava

SENTENCES = {
    code: [f"{language.native_name} \\u0041 {number}." for number in range(30)]
    for code, language in ((entry.code, entry) for entry in languages.every())
}
FULL = 2_084_706
ORIGIN = Origin(
    source="palo",
    language="en",
    image_folder="images",
    languages=languages.codes(),
    known=tuple(languages.every()),
)


@pytest.fixture
def parts(monkeypatch):
    """The bench's own modules, which are importable from beside the bench alone."""
    monkeypatch.syspath_prepend(str(ROOT / "jobs" / "bench"))
    before = set(sys.modules)
    from corpus_parts import kills, rows, sentences

    yield SimpleNamespace(kills=kills, rows=rows, sentences=sentences)
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("corpus_parts", "resuming", "training"):
            del sys.modules[name]


@pytest.fixture
def make(parts):
    def maker(count, **changes):
        words = parts.sentences.Sentences(escaped=SENTENCES, num_short=10, source="test")
        values = {"num_records": count, "num_images": 8} | changes
        return parts.rows.RowMaker(parts.rows.RowSettings(**values), words)

    return maker


def test_the_counts_are_the_papers(make):
    counts = Counter()
    for (code, _), size in zip(
        make(FULL)._groups,
        [b - a for a, b in itertools.pairwise([0, *make(FULL)._ends])],
        strict=True,
    ):
        counts[code] += int(size)
    assert counts.pop("en") == 665_298
    assert counts == dict.fromkeys(counts, 157_712)
    assert len(counts) == 9


def test_every_row_is_a_record_in_its_language(make):
    texts = list(make(2000))
    records = [parse_llava(json.loads(text), ORIGIN, str(n)) for n, text in enumerate(texts)]
    assert len(records) == 2000
    assert all(isinstance(record, Record) for record in records)
    shares = Counter(record.language for record in records)
    assert shares["en"] / 2000 == pytest.approx(665_298 / FULL, abs=0.01)
    for record in records:
        if record.language != "en":
            name = languages.get(record.language).native_name
            assert all(turn.text.startswith(name) for turn in record.turns)
    assert len({record.image for record in records if record.image}) == 8
    without = sum(record.image is None for record in records)
    assert without / 2000 == pytest.approx(40_688 / FULL, abs=0.005)


def test_a_translation_has_the_image_and_the_rounds_of_its_english_record(make):
    rows = [json.loads(text) for text in make(3000)]
    by_id = {}
    for row in rows:
        by_id.setdefault(row["id"], []).append(row)
    shared = [group for group in by_id.values() if len(group) == 10]
    assert len(shared) > 100
    for group in shared:
        assert len({row["image"] for row in group}) == 1
        assert len({len(row["conversations"]) for row in group}) == 1
        (english,) = (row for row in group if "corrupt" not in row)
        assert all(
            row["english_conversations"] == english["conversations"]
            for row in group
            if row is not english
        )


def test_rows_depend_on_their_seed_alone(make):
    assert list(make(300)) == list(make(300))
    assert list(make(300)) != list(make(300, seed=1))
    assert all("image" not in json.loads(text) for text in make(300, num_images=0))
    assert all("corrupt" not in json.loads(text) for text in make(300, repeats_fields=False))


# A driver with one worker that is at work, by its name, and a node's agent and an idle worker.
_FAMILY = """
import subprocess, sys, time
for name in ("ray::Map(run)", "ray::IDLE", "ray::DashboardAgent"):
    subprocess.Popen([name, "-c", "import time; time.sleep(60)"], executable=sys.executable)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def family(parts):
    driver = subprocess.Popen([sys.executable, "-c", _FAMILY], stdout=subprocess.PIPE)
    assert driver.stdout.readline() == b"ready\n"
    members = parts.kills._Family(driver)
    deadline = time.monotonic() + 20
    while len(members._members) < 4 and time.monotonic() < deadline:
        members.look()
    yield driver, members
    for member in members._members:
        if member.is_running():
            member.kill()
    driver.wait()
    driver.stdout.close()


def alive(members):
    return [m for m in members._members if m.is_running() and m.status() != "zombie"]


def test_a_drill_kills_a_worker_that_is_at_work_and_no_other(family):
    driver, members = family
    assert members.kill("worker", random.Random(0)) == "ray::Map(run)"
    assert driver.poll() is None
    deadline = time.monotonic() + 20
    while len(alive(members)) > 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(alive(members)) == 3
    assert members.kill("worker", random.Random(0)) == ""


def test_a_drill_leaves_nothing_of_a_killed_driver(family, monkeypatch, parts):
    monkeypatch.setattr(parts.kills, "_END_S", 1.0)
    driver, members = family
    assert members.kill("driver", random.Random(0)) == "driver"
    assert driver.wait() == -9
    members.end()
    assert not alive(members)
