"""Errors of Ray Data's tasks, as they were raised."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from palo.errors import PaloError


@contextmanager
def own_errors() -> Iterator[None]:
    """Raises what tasks raised, and keeps Ray Data's own notes and bars off the terminal.

    Datasets must be made and read inside the block.

    Raises:
        PaloError: If a task raised one.
    """
    from ray.data import DataContext

    context = DataContext.get_current()
    before = context.raise_original_map_exception, context.enable_progress_bars
    logger = logging.getLogger("ray.data")
    level = logger.level
    # Else the cause is lost on the way: Ray wraps it in an error of its own before pickling.
    context.raise_original_map_exception = True
    context.enable_progress_bars = False
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:
        raise own_error(error) or error from None
    finally:
        context.raise_original_map_exception, context.enable_progress_bars = before
        logger.setLevel(level)


def own_error(error: BaseException | None) -> PaloError | None:
    """Finds our own error inside what Ray wraps around it; None if there is none.

    Args:
        error: Any error.
    """
    while error is not None:
        # Ray also makes classes that are both its own and ours; their text is a traceback.
        if isinstance(error, PaloError) and type(error).__module__ == PaloError.__module__:
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None
