"""Silences progress bars and a warning of libraries while a model is loaded."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Hides the progress bars of transformers while the block runs."""
    from transformers.utils import logging

    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


@contextmanager
def without_peft_warning() -> Iterator[None]:
    """Hides that PEFT asks transformers for checkpointing by a deprecated name."""
    with warnings.catch_warnings():
        message = "`is_gradient_checkpointing` is deprecated"
        warnings.filterwarnings("ignore", message=message, category=FutureWarning)
        yield
