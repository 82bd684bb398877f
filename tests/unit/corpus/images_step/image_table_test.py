import hashlib

import numpy as np
import pyarrow as pa
import pytest

from palo.corpus.images_step.image_table import (
    absent_from,
    faults_folder,
    known_rows,
    prepare_table,
    read_faults,
    read_parts,
    states_of,
    table_path,
    unchanged,
    with_faults,
    write_faults,
)
from palo.corpus.images_step.worker import IdentifyTask, identify_images
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason
from palo.storage import write_table


def image_id(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def paths(tmp_path):
    names = ("a.png", "b.png", "c.png")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    return [str(tmp_path / name) for name in (*names, "gone.png")]


@pytest.fixture
def identify(tmp_path):
    def run(*paths):
        task = IdentifyTask(
            corpus=tmp_path, paths=paths, indexes=tmp_path, limits=ImageLimits(max_pixels=99)
        )
        result = identify_images(task)
        assert result.num_images == len(paths)
        return result.part

    return run


def test_what_was_identified_outlives_a_kill_while_files_stay_as_they_are(
    tmp_path, paths, identify
):
    prepare_table(tmp_path, ImageLimits())
    every = pa.array(paths)
    assert absent_from(known_rows(tmp_path, every), every) == paths
    identify(*paths[:2])
    part = identify(*paths[3:])
    assert absent_from(known_rows(tmp_path, every), every) == paths[2:]  # one of them is not there
    assert read_parts(tmp_path, [part])["reason"].to_pylist() == [Reason.IMAGE_MISSING]
    (tmp_path / "a.png").write_bytes(b"another image")
    known = known_rows(tmp_path, every)
    assert known["path"].to_pylist() == paths[1:2]
    write_table(table_path(tmp_path), known)
    identify(*paths[:2])
    known = known_rows(tmp_path, every)
    assert known["image_id"].to_pylist() == [image_id(b"another image"), image_id(b"b.png")]
    assert known_rows(tmp_path, pa.array(paths[1:]))["path"].to_pylist() == paths[1:2]


def test_other_limits_judge_anew(tmp_path, paths, identify):
    prepare_table(tmp_path, ImageLimits())
    identify(*paths)
    write_table(table_path(tmp_path), known_rows(tmp_path, pa.array(paths)))
    prepare_table(tmp_path, ImageLimits())
    assert len(known_rows(tmp_path, pa.array(paths))) == 3
    prepare_table(tmp_path, ImageLimits(max_file_bytes=3))
    assert len(known_rows(tmp_path, pa.array(paths))) == 0


def test_a_finished_corpus_notices_what_came_and_went(tmp_path, paths, identify):
    table = read_parts(tmp_path, [identify(*paths)])
    assert unchanged(table, with_absent=True).all()
    (tmp_path / "gone.png").write_bytes(b"back")
    (tmp_path / "b.png").unlink()
    assert unchanged(table, with_absent=True).tolist() == [True, False, True, False]


def test_faults_of_decoding_replace_one_another(tmp_path, paths, identify):
    table = read_parts(tmp_path, [identify(*paths)])
    broken = {image_id(b"b.png"): (Reason.IMAGE_DAMAGED, "cut off")}
    marked = with_faults(table, broken)
    assert marked["reason"].to_pylist() == [None, "image is damaged or cut off", None, *_MISSING]
    assert marked["detail"].to_pylist()[1] == "cut off"
    assert with_faults(marked, {}).equals(table)
    assert marked.schema.equals(table.schema)


_MISSING = ["image is missing"]


def test_states_tell_content_and_faults(tmp_path, paths, identify):
    table = read_parts(tmp_path, [identify(*paths)])
    asked = pa.array([paths[3], paths[0], "unknown"])
    states = states_of(table, asked)
    assert states.is_bad.tolist() == [True, False, False]
    assert states.image_ids.to_pylist() == [None, image_id(b"a.png"), None]
    assert states.reasons.to_pylist() == [Reason.IMAGE_MISSING, None, None]
    assert states.details[1].as_py() == ""
    assert states.ids[1].tobytes() == bytes.fromhex(image_id(b"a.png"))[:16]
    assert not states.ids[[0, 2]].any()
    assert np.array_equal(states.digests[1:], states.ids[1:])
    assert states.digests[0].any()
    other = with_faults(table, {image_id(b"a.png"): (Reason.IMAGE_DAMAGED, "")})
    assert (states_of(other, asked).digests[1] != states.digests[1]).any()


def test_only_lasting_faults_are_remembered(tmp_path):
    folder = faults_folder(tmp_path, ImageLimits())
    write_faults(folder, {"1": (Reason.IMAGE_MISSING, "")})
    assert not folder.exists()
    write_faults(folder, {"1": (Reason.IMAGE_UNREADABLE, ""), "2": (Reason.IMAGE_TOO_SLOW, "9 s")})
    assert read_faults(tmp_path, ImageLimits()) == {"2": ("image takes too long to decode", "9 s")}
    assert read_faults(tmp_path, ImageLimits(max_pixels=3)) == {}
