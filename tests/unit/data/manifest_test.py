import dataclasses
import json

import pytest

from palo.data.manifest import code_version, read_manifest, write_manifest
from palo.errors import DataError


@pytest.fixture
def manifest(corpus_folder):
    return read_manifest(corpus_folder / "manifest.json")


def test_a_manifest_survives_the_file(manifest, tmp_path):
    stage = dataclasses.replace(
        manifest.stages[0], rows_in=14, dropped={"no_answer": {"en": 1, "ur": 2}}
    )
    changed = dataclasses.replace(manifest, stages=(stage,))
    write_manifest(tmp_path / "m.json", changed)
    assert read_manifest(tmp_path / "m.json") == changed


def test_rows_that_do_not_add_up_are_refused_on_write_and_read(manifest, tmp_path):
    stage = dataclasses.replace(manifest.stages[0], rows_in=12)
    with pytest.raises(DataError, match="12 rows in, 11 out, 0 dropped"):
        write_manifest(tmp_path / "m.json", dataclasses.replace(manifest, stages=(stage,)))
    write_manifest(tmp_path / "m.json", manifest)
    values = json.loads((tmp_path / "m.json").read_text())
    values["num_samples"] += 1
    (tmp_path / "m.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match="12 samples, 11 over all languages"):
        read_manifest(tmp_path / "m.json")


def test_rows_lost_between_stages_are_refused(manifest, tmp_path):
    second = dataclasses.replace(manifest.stages[0], name="encode", rows_in=10, rows_out=10)
    broken = dataclasses.replace(manifest, stages=(*manifest.stages, second))
    with pytest.raises(DataError, match="11 rows left stage parse, 10 reached stage encode"):
        write_manifest(tmp_path / "m.json", broken)


def test_code_version_is_stable_in_a_process():
    assert code_version() == code_version()
    assert "+" in code_version()
