"""A dry batch: the largest row of a stage before its first step, so that no memory fails late."""

from typing import TYPE_CHECKING

import numpy as np

from palo.data.loader import PackLoader
from palo.train.loop import row_loss

if TYPE_CHECKING:
    from palo.data.corpus_part import CorpusPart
    from palo.data.corpus_reader import Corpus
    from palo.data.plan import Plan
    from palo.train.engine import TrainEngine

# Packing a step takes about a millisecond; the largest of so many rows is as good as full.
_MOST_STEPS = 4096


def run_dry_batch(
    engine: "TrainEngine",
    corpus: "Corpus | CorpusPart",
    plan: "Plan",
    *,
    chunked_loss: bool = False,
) -> int:
    """Computes the largest planned row forward and backward, and changes nothing.

    All workers must call it together.

    Args:
        engine: Model and optimizer.
        corpus: The samples to train on.
        plan: Their plan.
        chunked_loss: Whether the model's output head gives the loss.

    Returns:
        Tokens of the row.
    """
    step, micro, num_tokens = largest_row(plan, engine.world_size)
    with PackLoader(
        corpus, plan, rank=engine.rank, world_size=engine.world_size, start_step=step
    ) as loader:
        batch = next(iter(loader))
    engine.module.train()
    row = batch.micro_batches[micro].to(engine.device)
    loss = row_loss(engine.module, row, chunked=chunked_loss)
    engine.backward(loss / batch.num_target_tokens, last=True)
    engine.discard()
    return num_tokens


def largest_row(plan: "Plan", world_size: int) -> tuple[int, int, int]:
    """Returns where the row with most tokens is: step, micro-batch, and its tokens.

    Of a long plan it looks at evenly spread steps, and at the one with the longest sample.

    Args:
        plan: The plan.
        world_size: Number of workers.
    """
    count = plan.num_steps_per_epoch
    spread = np.linspace(0, count - 1, min(_MOST_STEPS, count), dtype=int).tolist()
    steps = dict.fromkeys([plan.step_of_longest(), *spread])
    return max(
        (
            (step, micro, sum(plan.length(index) for index in pack.indices))
            for step in steps
            for packs in plan.packs(step, world_size)
            for micro, pack in enumerate(packs)
        ),
        key=lambda found: found[2],
    )
