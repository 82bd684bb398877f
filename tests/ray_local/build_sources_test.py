"""Building corpora from every layout of sources and images that people have."""

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fixtures.corpora import row

from palo.corpus import build
from palo.corpus.build import build_corpus
from palo.corpus.config import SourceConfig
from palo.corpus.sources import split_source
from palo.data.corpus_reader import open_corpus
from palo.reasons import Reason

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def drops_of(manifest):
    found = {}
    for stage in manifest.stages:
        for reason, counts in stage.dropped.items():
            found[reason] = found.get(reason, 0) + sum(counts.values())
    return found


def cc3m(folder, images):
    """LLaVA-CC3M-Pretrain-595K: chat.json, a JSON array, beside images.zip without folders."""
    names = [f"GCC_train_{n:09d}" for n in range(9)]
    (folder / "flat").mkdir()
    for number, name in enumerate(names):
        shutil.copy(images / f"{number}.png", folder / "flat" / f"{name}.jpg")
    archive = shutil.make_archive(str(folder / "images"), "zip", folder / "flat")
    rows = [row(n) | {"id": name, "image": f"{name}.jpg"} for n, name in enumerate(names)]
    (folder / "chat.json").write_text(json.dumps(rows))
    return SourceConfig(name="cc3m", path=folder / "chat.json", images=Path(archive))


def lcs(folder, images):
    """LCS-558K: one JSON array, images in folders by the first digits of their numbers."""
    rows = []
    for number in range(9):
        name = f"{number % 3:05d}/{number:09d}.jpg"
        path = folder / "lcs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images / f"{number}.png", path)
        rows.append(row(20 + number) | {"id": path.stem, "image": name})
    source = folder / "blip_laion_cc_sbu_558k.json"
    source.write_text(json.dumps(rows, indent=2))
    return SourceConfig(name="lcs", path=source, images=folder / "lcs")


def hub(folder, images):
    """A data set of the Hugging Face hub: a folder of Parquet files with the images within."""
    (folder / "data").mkdir()
    for shard in range(2):
        rows = [row(40 + 9 * shard + n) for n in range(9)]
        cells = [{"bytes": (images / r["image"]).read_bytes(), "path": "x.png"} for r in rows]
        table = pa.table(
            {
                "id": [str(r["id"]) for r in rows],
                "image": pa.array(cells, IMAGE),
                "conversations": [r["conversations"] for r in rows],
            }
        )
        path = folder / "data" / f"train-{shard:05d}-of-00002.parquet"
        pq.write_table(table, path, row_group_size=4)
    return SourceConfig(name="hub", path=folder / "data", language="en")


def test_every_layout_gives_the_same_images(make_config, images, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "split_source", functools.partial(split_source, split_bytes=1000))
    sources = [make(tmp_path, images) for make in (cc3m, lcs, hub)]
    config = make_config([], sources=tuple(sources))
    manifest = build_corpus(config).manifest
    assert drops_of(manifest) == {}
    assert (manifest.num_samples, manifest.num_images) == (36, 8)
    samples = open_corpus(config.output).read(range(36))
    assert len({sample.sample_id for sample in samples}) == 36
    assert [sample.source for sample in samples] == ["cc3m"] * 9 + ["lcs"] * 9 + ["hub"] * 18
    ids = [sample.image_id for sample in samples]
    assert ids[:9] == ids[9:18]
    assert [ids[18 + n] for n in range(18)] == [ids[(40 + n) % 9] for n in range(18)]


@pytest.fixture
def server(images):
    asked = []

    class Logged(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(images))

        def log_request(self, *_):
            asked.append(self.path)

        def log_message(self, *args):
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Logged) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", asked
        running.shutdown()
        thread.join()


def test_images_of_a_server_are_asked_for_once(make_config, server, tmp_path):
    address, asked = server
    rows = [row(n) | {"image": f"{address}/{n % 3}.png"} for n in range(9)]
    rows.append(row(10) | {"image": f"{address}/gone.png"})
    rows.append(row(11) | {"image": "http://127.0.0.1:9/1.png"})
    rows.append(row(12) | {"image": "http://example.org/1.png"})
    config = make_config(rows, max_bad_share=0.5)
    (source,) = config.sources
    hosts = (urlsplit(address).netloc, "127.0.0.1:9")
    source = SourceConfig(name="web", path=source.path, allowed_hosts=hosts)
    config = make_config(rows, max_bad_share=0.5, sources=(source,))
    manifest = build_corpus(config).manifest
    assert drops_of(manifest) == {
        Reason.IMAGE_MISSING: 1,
        Reason.IMAGE_SERVER_SILENT: 1,
        Reason.IMAGE_HOST: 1,
    }
    assert manifest.num_samples == 9
    assert sorted(asked) == ["/0.png", "/1.png", "/2.png", "/gone.png"]


HOSTILE = {
    Reason.IMAGE_TOO_LARGE: 1,
    Reason.IMAGE_UNKNOWN: 5,
    Reason.IMAGE_DAMAGED: 3,
}


@pytest.mark.data
def test_hostile_images_end_as_samples_or_are_counted(make_config, data_folder):
    folder = data_folder / "images" / "hostile"
    names = sorted(path.name for path in folder.iterdir() if path.name != "LICENSE")
    rows = [row(n) | {"image": name} for n, name in enumerate(names)]
    config = make_config(rows, max_bad_share=0.5)
    (source,) = config.sources
    source = SourceConfig(name="hostile", path=source.path, images=folder)
    config = make_config(rows, max_bad_share=0.5, sources=(source,), image_store=None)
    manifest = build_corpus(config).manifest
    assert drops_of(manifest) == HOSTILE
    assert manifest.num_samples == len(names) - sum(HOSTILE.values())
