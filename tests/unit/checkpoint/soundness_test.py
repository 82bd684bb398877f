import pytest
import torch

from palo import storage
from palo.checkpoint import trainable
from palo.checkpoint.soundness import check_sound, newest_cursor, newest_sound
from palo.checkpoint.trainable import STATE, WEIGHTS, Cursor, ParameterState
from palo.errors import StorageError

STATES = {"projector.0.weight": ParameterState(*(torch.randn(3, 2) for _ in range(3)))}


def cut_off(checkpoint):
    whole = (checkpoint / WEIGHTS).read_bytes()
    (checkpoint / WEIGHTS).write_bytes(whole[:-8])


def change_a_bit(checkpoint):
    whole = bytearray((checkpoint / WEIGHTS).read_bytes())
    whole[-1] ^= 1
    (checkpoint / WEIGHTS).write_bytes(bytes(whole))


def lose_the_weights(checkpoint):
    (checkpoint / WEIGHTS).unlink()


def lose_the_state(checkpoint):
    (checkpoint / STATE).unlink()


def cut_the_state(checkpoint):
    text = (checkpoint / STATE).read_text()
    (checkpoint / STATE).write_text(text[: len(text) // 2])


HARMS = [cut_off, change_a_bit, lose_the_weights, lose_the_state, cut_the_state]


@pytest.fixture
def folder(tmp_path):
    for step in (2, 4, 6):
        trainable.save(tmp_path, STATES, Cursor(step=step, identity={}, config={}), keep=3)
    return tmp_path


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(folder, harm):
    said = []
    harm(folder / "step-00000006")
    assert newest_sound(folder, said.append) == folder / "step-00000004"
    assert "step-00000006 is damaged and set aside as damaged-step-00000006" in said[0]
    assert (folder / "damaged-step-00000006").is_dir()
    assert newest_sound(folder, said.append) == folder / "step-00000004"
    assert len(said) == 1


def test_where_none_is_sound_nothing_is_renamed_and_nothing_starts_over(folder):
    for checkpoint in trainable.every(folder):
        change_a_bit(checkpoint)
    for _ in range(2):
        with pytest.raises(StorageError, match="no checkpoint of this stage is sound: 3 in"):
            newest_sound(folder, print)


def test_a_stage_without_checkpoints_starts_at_its_first_step(tmp_path):
    assert newest_sound(tmp_path / "none", print) is None
    assert newest_cursor(tmp_path / "none") is None


def test_the_newest_readable_state_is_found_past_a_damaged_one(folder):
    cut_the_state(folder / "step-00000006")
    cursor = newest_cursor(folder)
    assert cursor is not None
    assert cursor.step == 4


def test_a_checkpoint_without_hashes_is_judged_by_its_header(folder):
    checkpoint = folder / "step-00000006"
    state = storage.read_json(checkpoint / STATE)
    del state["files"], state["loss"], state["skipped"]
    storage.write_json(checkpoint / STATE, state | {"version": 2})
    assert check_sound(checkpoint).step == 6
    cut_off(checkpoint)
    with pytest.raises(StorageError, match="damaged"):
        check_sound(checkpoint)


def test_the_best_stay_beside_the_newest(tmp_path):
    for step, loss in ((1, 3.0), (2, 1.0), (3, None), (4, 2.0), (5, 2.5)):
        cursor = Cursor(step=step, identity={}, config={}, loss=loss)
        trainable.save(tmp_path, STATES, cursor, keep=1, keep_best=1)
    assert [path.name[-1] for path in trainable.every(tmp_path)] == ["2", "5"]


def test_what_held_out_rows_say_goes_before_the_loss_of_training(tmp_path):
    losses = {1: (2.0, None), 2: (3.0, 1.5), 3: (1.0, 1.8), 4: (0.5, None), 5: (0.4, 1.6)}
    for step, (loss, held_out) in losses.items():
        cursor = Cursor(step=step, identity={}, config={}, loss=loss, held_out_loss=held_out)
        trainable.save(tmp_path, STATES, cursor, keep=1, keep_best=2)
    assert [path.name[-1] for path in trainable.best(tmp_path, 2)] == ["2", "5"]
    assert [path.name[-1] for path in trainable.every(tmp_path)] == ["2", "5"]


def test_on_s3_a_checkpoint_counts_once_its_state_is_there(folder, bucket):
    for checkpoint in trainable.every(folder):
        for path in checkpoint.iterdir():
            storage.write_bytes(bucket / checkpoint.name / path.name, path.read_bytes())
    storage.remove(bucket / "step-00000006" / STATE)
    assert [path.name for path in trainable.every(bucket)] == ["step-00000002", "step-00000004"]
    trainable.prune(bucket, keep=1)
    assert [path.name for path in trainable.every(bucket)] == ["step-00000004"]
    assert not (bucket / "step-00000002" / WEIGHTS).exists()


def test_on_s3_a_damaged_checkpoint_is_set_aside_too(folder, bucket, tmp_path):
    change_a_bit(folder / "step-00000006")
    for checkpoint in trainable.every(folder):
        for path in checkpoint.iterdir():
            storage.write_bytes(bucket / checkpoint.name / path.name, path.read_bytes())
    said = []
    found = newest_sound(bucket, said.append, lambda checkpoint: folder / checkpoint.name)
    assert found == folder / "step-00000004"
    assert "set aside as damaged-state.json" in said[0]
    assert trainable.every(bucket)[-1].name == "step-00000004"


def test_a_store_that_goes_away_while_it_is_read_damages_nothing(folder, bucket):
    for checkpoint in trainable.every(folder):
        for path in checkpoint.iterdir():
            storage.write_bytes(bucket / checkpoint.name / path.name, path.read_bytes())

    def fetch(checkpoint):
        raise StorageError("can't read there, tried 5 times")

    with pytest.raises(StorageError, match="tried 5 times"):
        newest_sound(bucket, print, fetch)
    assert len(trainable.every(bucket)) == 3
