import dataclasses

import pytest
import torch

from palo import storage
from palo.checkpoint import tensors, trainable
from palo.checkpoint.trainable import Cursor, ParameterState
from palo.errors import MismatchError, StorageError

CURSOR = Cursor(step=12, identity={"corpus": "a", "settings": "b"}, config={"seed": 1})


@pytest.fixture
def states():
    return {
        name: ParameterState(*(torch.randn(3, 2) for _ in range(3)))
        for name in ("projector.0.weight", "language_model.x.lora_A.default.weight")
    }


def test_what_is_written_comes_back(tmp_path, states):
    path = trainable.save(tmp_path, states, CURSOR, keep=2)
    found = trainable.read_cursor(path)
    assert found == dataclasses.replace(CURSOR, files=found.files)
    assert found.files == {
        "trainable.safetensors": storage.file_hash(path / "trainable.safetensors")
    }
    for name, state in trainable.read_states(path).items():
        assert all(map(torch.equal, state, states[name]))


def test_only_the_newest_stay(tmp_path, states):
    for step in (1, 2, 10):
        trainable.save(tmp_path, states, Cursor(step=step, identity={}, config={}), keep=2)
    assert [path.name for path in trainable.every(tmp_path)] == ["step-00000002", "step-00000010"]


def test_a_checkpoint_that_was_not_finished_does_not_count(tmp_path, states):
    trainable.save(tmp_path, states, CURSOR, keep=2)
    (tmp_path / ".step-00000013.99.partial").mkdir()
    assert [path.name for path in trainable.every(tmp_path)] == ["step-00000012"]


def test_a_damaged_file_is_told(tmp_path, states):
    path = trainable.save(tmp_path, states, CURSOR, keep=2)
    whole = (path / "trainable.safetensors").read_bytes()
    (path / "trainable.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StorageError, match=r"trainable\.safetensors is damaged"):
        trainable.read_states(path)


def test_another_format_is_refused(tmp_path, states):
    path = trainable.save(tmp_path, states, CURSOR, keep=2)
    state = storage.read_json(path / "state.json") | {"version": 99}
    storage.write_json(path / "state.json", state)
    with pytest.raises(MismatchError, match="99"):
        trainable.read_cursor(path)


def test_a_run_with_other_settings_is_named(tmp_path):
    with pytest.raises(MismatchError, match="another settings: settings b there, c here"):
        trainable.check_continues(CURSOR.identity, {"corpus": "a", "settings": "c"}, tmp_path)
    trainable.check_continues(CURSOR.identity, dict(CURSOR.identity), tmp_path)


def test_a_full_disk_leaves_no_half_checkpoint(tmp_path, states, monkeypatch):
    from safetensors import SafetensorError

    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(StorageError, match=r"No space left.*disk space"):
        trainable.save(tmp_path, states, CURSOR, keep=2)
    assert list(tmp_path.iterdir()) == []
