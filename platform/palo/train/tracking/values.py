"""Names and values of what trackers get, the same in each of them."""

import math
from collections.abc import Mapping

from palo.machine import GIB
from palo.train.metrics import StepMetrics
from palo.train.validation import Validation


def step_values(metrics: StepMetrics) -> dict[str, float]:
    """Returns the values of a step by name, without those that aren't known or no numbers.

    Args:
        metrics: The step.
    """
    values: dict[str, float | None] = {
        "train/loss": metrics.loss,
        "train/gradient_norm": metrics.grad_norm,
        "speed/tokens_per_s": metrics.num_tokens / metrics.step_s,
        "speed/samples_per_s": metrics.num_samples / metrics.step_s,
        "speed/step_s": metrics.step_s,
        "speed/data_wait_share": metrics.data_wait_s / metrics.step_s,
        "speed/model_tflops": _scaled(metrics.model_flops, 1e12 * metrics.step_s),
        "speed/mfu": metrics.mfu,
        "memory/gib": _scaled(metrics.memory_bytes, GIB),
        "memory/peak_gib": _scaled(metrics.peak_memory_bytes, GIB),
    }
    values |= {f"learning_rate/{part}": rate for part, rate in metrics.learning_rates.items()}
    return _known(values)


def validation_values(validation: Validation) -> dict[str, float]:
    """Returns the values of an evaluation by name.

    Args:
        validation: The evaluation.
    """
    values: dict[str, float | None] = {
        "validation/loss": validation.loss,
        "validation/mean_of_languages": validation.mean_loss,
    }
    values |= {f"validation/{code}": one.loss for code, one in validation.languages.items()}
    return _known(values)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: value for name, value in values.items() if value is not None and math.isfinite(value)
    }
