from types import SimpleNamespace

import torch

from palo.train.rank_figures import RankFigures, RankGauge, RankWatch, SlowRank, share


def figures(tokens=1000.0, wait=0.0, cpu=1.0):
    return RankFigures(
        num_tokens=tokens, data_wait_s=wait, cpu_s=cpu, memory_bytes=10, peak_memory_bytes=20
    )


def watch(*ranks, on_cpu=True, steps=20):
    watched = RankWatch(computes_on_cpu=on_cpu)
    for _ in range(steps):
        watched.add(2.0, list(ranks))
    return watched


def test_every_worker_learns_of_every_other_in_one_sum():
    own = [figures(tokens=float(rank + 1), wait=rank / 2) for rank in range(3)]
    sent = []

    def engine(rank):
        def keep(values):
            sent.append(values)
            return sum(sent) if len(sent) == 3 else values

        return SimpleNamespace(rank=rank, world_size=3, sum_over_workers=keep)

    for rank in range(3):
        sums, ranks = share(engine(rank), [1.5, float(rank == 1)], own[rank])
    assert sums == [4.5, 1.0]
    assert ranks == own


def test_the_worker_that_waits_for_data_is_named():
    watched = watch(figures(), figures(wait=0.5), figures(wait=0.01), figures())
    assert watched.slow() == SlowRank(rank=1, cause="data")


def test_when_all_wait_alike_nobody_is_slow():
    assert watch(*[figures(wait=0.5)] * 4).slow() is None


def test_the_worker_whose_tokens_cost_more_is_named_where_cpus_compute():
    slow = figures(tokens=1000.0, cpu=1.4)
    busy = figures(tokens=1400.0, cpu=1.4)
    assert watch(figures(), busy, slow).slow() == SlowRank(rank=2, cause="compute")
    assert watch(figures(), busy, slow, on_cpu=False).slow() is None


def test_a_single_worker_is_never_slow():
    assert watch(figures(wait=1.9)).slow() is None


def test_only_the_latest_steps_count():
    watched = watch(figures(), figures(wait=1.0))
    for _ in range(20):
        watched.add(2.0, [figures(), figures()])
    assert watched.slow() is None
    one = watched.summaries()[1]
    assert (one.tokens_per_s, one.data_wait_share, one.cpu_share) == (500.0, 0.0, 0.5)


def test_a_gauge_reads_tokens_and_memory():
    batch = SimpleNamespace(
        micro_batches=[SimpleNamespace(input_ids=torch.zeros(1, n)) for n in (3, 4)]
    )
    read = RankGauge(SimpleNamespace(device=torch.device("cpu"))).read(batch, 0.25)
    assert (read.num_tokens, read.data_wait_s) == (7, 0.25)
    assert read.cpu_s >= 0
    assert 10 << 20 < read.memory_bytes <= read.peak_memory_bytes
