"""The learning rate as a pure function of the step, so that resuming needs no scheduler state."""

import math


def learning_rate_scale(step: int, num_steps: int, warmup_ratio: float) -> float:
    """Returns the share of the peak learning rate to use at a step.

    Linear warm-up over the first `ceil(warmup_ratio * num_steps)` steps, then half a cosine to
    zero: `0.5 * (1 + cos(pi * t))` with t from 0 to 1 (Loshchilov and Hutter, arXiv 1608.03983).
    The first step already learns: its scale is 1 / warm-up steps, not 0.

    Args:
        step: Index of the step, from 0.
        num_steps: Steps of the whole stage.
        warmup_ratio: Share of the steps that warm up.
    """
    num_warmup = math.ceil(warmup_ratio * num_steps)
    if step < num_warmup:
        return (step + 1) / num_warmup
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    return 0.5 * (1.0 + math.cos(math.pi * progress))
