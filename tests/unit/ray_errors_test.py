import pytest

from palo.errors import DataError, ImageError
from palo.ray_errors import own_error


def wrapped(error, levels):
    for _ in range(levels):
        outer = RuntimeError("wrapped")
        outer.__cause__ = error
        error = outer
    return error


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_our_error_is_found_inside_others(levels):
    error = ImageError("not an image")
    assert own_error(wrapped(error, levels)) is error


def test_the_cause_that_ray_keeps_apart_is_found():
    class TaskError(Exception):
        cause = DataError("no words")

    assert own_error(TaskError()) is TaskError.cause


def test_a_class_that_ray_makes_of_ours_and_its_own_is_passed_by():
    class MixedError(DataError):
        cause = DataError("no words")

    assert own_error(MixedError("Traceback of many lines")) is MixedError.cause


def test_nothing_of_ours_is_none():
    assert own_error(wrapped(ValueError("x"), 2)) is None
