import itertools
import threading

import pytest
import torch

from palo.data.corpus_reader import open_corpus
from palo.data.loader import PackLoader
from palo.data.plan import Plan, PlanConfig
from palo.errors import StorageError
from palo.text.encoding import IMAGE_SENTINEL


def make_loader(folder, *, global_batch=4, token_budget=64, max_epochs=2, **options):
    corpus = open_corpus(folder)
    config = PlanConfig(
        global_batch=global_batch,
        token_budget=token_budget,
        tokens_per_image=3,
        max_epochs=max_epochs,
    )
    plan = Plan(config, corpus.manifest.fingerprint, corpus.lengths, corpus.has_image)
    return corpus, plan, PackLoader(corpus, plan, **options)


def test_a_row_predicts_exactly_the_trained_tokens(corpus_folder):
    corpus, plan, loader = make_loader(corpus_folder, global_batch=11, token_budget=1024)
    with loader:
        step = next(loader)
    (batch,) = step.micro_batches
    starts = batch.cu_seq_lens.tolist()
    samples = corpus.read(plan.packs(0, 1)[0][0].indices)
    assert batch.sample_ids == tuple(sample.sample_id for sample in samples)
    ids = batch.input_ids[0]
    for number, sample in enumerate(samples):
        start, end = starts[number : number + 2]
        own = ids[start:end].tolist()
        expected = []
        for token in sample.input_ids.tolist():
            expected += [token] * (3 if token == IMAGE_SENTINEL else 1)
        assert own == expected
        assert batch.position_ids[0, start:end].tolist() == list(range(end - start))
        chosen = batch.target_samples == number
        n = int(sample.sample_id[1:])
        assert batch.targets[chosen].tolist() == [100 + n, 200 + n, 2]
        assert batch.label_positions[chosen].tolist() == [end - 4, end - 3, end - 2]
    assert torch.equal(ids[batch.label_positions + 1], batch.targets)
    assert step.num_target_tokens == 33
    assert step.num_tokens == starts[-1] == batch.input_ids.shape[1]
    assert batch.input_ids.dtype == batch.label_positions.dtype == torch.int64
    assert batch.cu_seq_lens.dtype == torch.int32


def test_features_come_in_order_of_appearance_and_in_the_stores_dtype(corpus_folder):
    corpus, plan, loader = make_loader(corpus_folder, global_batch=11, token_budget=1024)
    with loader:
        (batch,) = next(loader).micro_batches
    wanted = [s.image_id for s in corpus.read(plan.packs(0, 1)[0][0].indices) if s.image_id]
    assert batch.features is not None
    assert batch.features.dtype == torch.bfloat16
    assert batch.features.shape == (6, 4, 6)
    assert batch.pixels is None
    for row, image_id in zip(batch.features, wanted, strict=True):
        assert torch.equal(row, corpus.images.read(image_id))
    assert int((batch.input_ids == IMAGE_SENTINEL).sum()) == 6 * 3


def test_stored_pixels_are_normalised(tmp_path, corpus_of):
    folder = corpus_of(tmp_path / "pixels", kind="pixels", shape=(3, 2, 2), dtype="uint8")
    corpus, plan, loader = make_loader(folder, global_batch=11, token_budget=1024)
    with loader:
        (batch,) = next(loader).micro_batches
    first = next(s.image_id for s in corpus.read(plan.packs(0, 1)[0][0].indices) if s.image_id)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    expected = (corpus.images.read(first).float() / 255 - mean) / std
    assert batch.features is None
    assert torch.allclose(batch.pixels[0], expected, atol=1e-6)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_world_size_sees_each_sample_once_an_epoch(corpus_folder, world_size):
    seen, targets = [[], []], [[], []]
    for rank in range(world_size):
        _, plan, loader = make_loader(corpus_folder, rank=rank, world_size=world_size)
        with loader:
            for step in loader:
                epoch = plan.epoch(step.step)
                for batch in step.micro_batches:
                    seen[epoch] += batch.sample_ids
                    targets[epoch].append(len(batch.targets))
    for epoch in range(2):
        assert sorted(seen[epoch]) == sorted(f"s{n}" for n in range(11))
        assert sum(targets[epoch]) == 33


def test_a_dummy_row_has_tokens_but_neither_targets_nor_names(corpus_folder):
    batches = []
    for rank in range(8):
        _, _, loader = make_loader(corpus_folder, rank=rank, world_size=8)
        with loader:
            step = next(loader)
        assert step.num_target_tokens == 12
        batches += step.micro_batches
    dummies = [batch for batch in batches if not batch.sample_ids]
    assert len(dummies) == 4
    for batch in dummies:
        assert batch.input_ids.shape[1] > 0
        assert batch.targets.shape == batch.label_positions.shape == (0,)


def test_resuming_gives_the_same_rows(corpus_folder):
    _, plan, loader = make_loader(corpus_folder)
    with loader:
        undisturbed = list(loader)
    assert [step.step for step in undisturbed] == list(range(plan.num_steps))
    _, _, resumed = make_loader(corpus_folder, start_step=4)
    with resumed:
        for before, after in zip(undisturbed[4:], resumed, strict=True):
            pairs = itertools.zip_longest(before.micro_batches, after.micro_batches)
            assert all(torch.equal(a.input_ids, b.input_ids) for a, b in pairs)


def test_an_error_of_the_thread_reaches_the_caller(corpus_folder):
    shard = next((corpus_folder / "images" / "shards").iterdir())
    shard.write_bytes(b"\0" * shard.stat().st_size)
    _, _, loader = make_loader(corpus_folder)
    with loader, pytest.raises(StorageError, match="damaged"):
        list(loader)


def test_closing_early_ends_the_thread(corpus_folder):
    _, _, loader = make_loader(corpus_folder, prefetch=1)
    next(loader)
    loader.close()
    assert not [t for t in threading.enumerate() if t.name == "palo-loader" and t.is_alive()]
    assert list(loader) == []


def test_a_rank_outside_the_world_is_refused(corpus_folder):
    with pytest.raises(ValueError, match="rank 2 is not one of 2"):
        make_loader(corpus_folder, rank=2, world_size=2)
