"""Killing builds and going on: nothing lost, nothing twice, nothing done again."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time

import psutil
import pytest
from tests.fixtures.corpora import good_rows, row

from palo import storage
from palo.config import to_dict
from palo.corpus.build import build_corpus
from palo.corpus.filter.mixture import MixtureSettings
from palo.errors import DataError

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

_DRIVER = """
import json, sys
from palo.config import from_dict
from palo.corpus.build import build_corpus
from palo.corpus.config import CorpusConfig
from palo.session import ray_session
with ray_session():
    build_corpus(from_dict(CorpusConfig, json.loads(sys.argv[1])), print)
"""


@pytest.fixture
def make_sources(make_config):
    """Makes a configuration of many sources, so that a build has many tasks."""

    def make(*names, count=12, **changes):
        sources = []
        for number, name in enumerate(names):
            rows = [r | {"id": f"{name}{n}"} for n, r in enumerate(good_rows(count))]
            rows = [_with_answer(r, f"blue square {number}") for r in rows]
            sources += make_config(rows, name=name, lines=number % 2 == 0).sources
        return make_config([], **({"sources": tuple(sources)} | changes))

    return make


def _with_answer(value, answer):
    turns = [
        turn | {"value": f"{answer} {index}"} if turn["from"] == "gpt" else turn
        for index, turn in enumerate(value["conversations"])
    ]
    return value | {"conversations": turns}


def files_of(corpus):
    """Returns the bytes of all that makes a corpus, but for what depends on its own place."""
    names = ("records", "samples", "quarantine", "image_table.parquet")
    paths = [path for name in names for path in [corpus / name, *(corpus / name).rglob("*")]]
    return {str(p.relative_to(corpus)): p.read_bytes() for p in paths if p.is_file()}


def entries_of(corpus):
    paths = (corpus / "done").rglob("*/*/*.json")
    return {str(path.relative_to(corpus)): path.stat().st_mtime_ns for path in paths}


def test_a_driver_killed_at_any_step_goes_on_where_it_was(make_sources, tmp_path):
    names = [f"source{number}" for number in range(8)]
    config = make_sources(*names, image_store=None, images_per_shard=1)
    marks = {
        "parse": lambda: len(entries_of(config.output)) >= 2,
        "images": lambda: len(list((config.output / "images" / "shards").glob("*.bin"))) >= 2,
        "encode": lambda: any("done/encode" in name for name in entries_of(config.output)),
    }
    kept: dict[str, int] = {}
    for reached in marks.values():
        _run_until(config, reached)
        assert not (config.output / "manifest.json").exists()
        now = entries_of(config.output)
        assert kept.items() <= now.items()
        kept = now
    shards = {p.name: p.stat().st_mtime_ns for p in (config.output / "images/shards").iterdir()}
    said = []
    report = build_corpus(config, said.append)
    assert "resumes where it was stopped" in said[0]
    assert report.num_reused == {"parse": 8, "encode": len(kept) - 8}
    assert report.num_run == {"encode": 16 - len(kept)}
    assert kept.items() <= entries_of(config.output).items()
    after = {p.name: p.stat().st_mtime_ns for p in (config.output / "images/shards").iterdir()}
    assert shards.items() <= after.items()
    assert len(after) == 7
    whole = dataclasses.replace(config, output=tmp_path / "whole")
    assert build_corpus(whole).manifest.fingerprint == report.manifest.fingerprint
    assert files_of(whole.output) == files_of(config.output)
    assert build_corpus(config).reused


def _run_until(config, reached):
    """Builds in a process of its own, and kills it as soon as something is there."""
    import ray

    address = ray.get_runtime_context().gcs_address
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, json.dumps(to_dict(config))],
        env=os.environ | {"RAY_ADDRESS": address},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not reached():
        assert driver.poll() is None, "the build ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    driver.kill()
    driver.wait()
    # Its tasks end with it, but not at once, and Ray now and then forgets one that just began.
    while tasks := [p for p in psutil.Process().children(recursive=True) if _is_task(p)]:
        assert time.monotonic() < deadline
        for process in tasks:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.05)


def _is_task(process):
    try:
        return any(word.startswith("ray::") and "Map" in word for word in process.cmdline())
    except psutil.Error:
        return False


def test_killed_workers_cost_their_tasks_alone(make_sources, tmp_path):
    names = [f"source{number}" for number in range(6)]
    config = make_sources(*names, image_store=None, images_per_shard=2)
    killed: list[int] = []
    stop = threading.Event()

    def kill():
        while not stop.wait(0.5) and len(killed) < 4:
            for process in psutil.Process().children(recursive=True):
                if _is_task(process):
                    process.kill()
                    killed.append(process.pid)
                    break

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        report = build_corpus(config)
    finally:
        stop.set()
        killer.join()
    assert killed
    assert report.num_images_encoded == 7
    whole = dataclasses.replace(config, output=tmp_path / "whole")
    assert build_corpus(whole).manifest.fingerprint == report.manifest.fingerprint
    assert files_of(whole.output) == files_of(config.output)


def test_another_source_costs_only_itself(make_sources, make_config, images, tmp_path):
    config = make_sources("one", "two", image_store=tmp_path / "store", store="pixels")
    build_corpus(config)
    kept = entries_of(config.output)
    (images / "new.png").write_bytes((images / "3.png").read_bytes() + b"another file")
    rows = [row(n + 100) | {"image": "new.png"} for n in range(3)]
    (new,) = make_config(rows, name="new").sources
    both = dataclasses.replace(config, sources=(new, *config.sources))
    said = []
    report = build_corpus(both, said.append)
    assert "order, sources.new" in said[0]
    assert report.num_run == {"parse": 1, "identify": 1, "images": 1, "encode": 1}
    assert report.num_reused == {"parse": 2, "encode": 2}
    assert report.num_images_encoded == 1
    assert kept.items() <= entries_of(config.output).items()
    whole = dataclasses.replace(both, output=tmp_path / "whole")
    assert build_corpus(whole).manifest.fingerprint == report.manifest.fingerprint
    assert build_corpus(config).num_run == {}
    assert not list((config.output / "samples" / "new").glob("*"))


def test_another_language_or_total_costs_no_parsing_and_no_old_image(make_sources, tmp_path):
    mixture = MixtureSettings(languages=("ur",))
    store = {"image_store": tmp_path / "store", "store": "pixels"}
    config = make_sources("one", count=30, mixture=mixture, **store)
    report = build_corpus(config)
    assert {count.language for count in report.manifest.languages} == {"ur"}
    first = report.num_images_encoded
    said = []
    wider = dataclasses.replace(config, mixture=MixtureSettings(languages=("ur", "en")))
    report = build_corpus(wider, said.append)
    assert "mixture.languages" in said[0]
    assert report.num_run.get("parse", 0) == 0
    assert first + report.num_images_encoded == len(list(_store_ids(config)))
    (stage,) = [stage for stage in report.manifest.stages if stage.name == "mixture"]
    assert stage.dropped == {"not in the mixture": {"zh": 10}}
    limited = dataclasses.replace(config, mixture=MixtureSettings(total=7, seed=3))
    report = build_corpus(limited)
    assert sum(count.num_records for count in report.manifest.languages) == 7


def _store_ids(config):
    table = storage.read_table(config.store_folder / "index.parquet", columns=["image_id"])
    return table.column(0).to_pylist()


def test_too_many_bad_rows_stop_the_build_which_goes_on_with_a_higher_limit(make_config):
    rows = [*good_rows(6), *(row(n, language="xx") for n in range(4))]
    config = make_config(rows, max_bad_share=0.3)
    with pytest.raises(DataError, match="4 of 10 rows are bad"):
        build_corpus(config)
    said = []
    report = build_corpus(dataclasses.replace(config, max_bad_share=0.4), said.append)
    assert "resumes where it was stopped" in said[0]
    assert report.num_reused == {"parse": 1}
    assert report.manifest.num_samples == 6
