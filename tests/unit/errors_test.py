"""Errors cross actor boundaries: every class of the family must survive pickling whole."""

import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import pytest

import palo
from palo.errors import PaloError, StorageError


def _family(kind: type[PaloError]) -> Iterator[type[PaloError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


# Packages that ours don't need: a module that stands on one is imported where it is installed.
_OPTIONAL = ("lmms_eval", "vllm")


def _import_everything() -> None:
    for module in pkgutil.walk_packages(palo.__path__, "palo."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in _OPTIONAL:
                raise


def test_every_error_of_the_family_survives_pickling() -> None:
    _import_everything()
    family = set(_family(PaloError))
    assert len(family) > 5
    for kind in family:
        error = kind("the fact", seen=3, fix="Change it.")
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind
        assert (copy.fact, copy.seen, copy.fix) == ("the fact", "3", "Change it.")
        assert str(copy) == str(error) == "the fact: 3. Change it."


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PaloError("no image"), "no image."),
        (PaloError("no image", seen="a.png"), "no image: a.png."),
        (PaloError("no image", fix="Check the path."), "no image. Check the path."),
        (
            PaloError("can't read", seen="No magic bytes.", fix="Look."),
            "can't read: No magic bytes. Look.",
        ),
        (PaloError("too many rows", seen=0, fix="Add some."), "too many rows: 0. Add some."),
    ],
)
def test_an_error_is_one_line_with_its_remedy(error: PaloError, line: str) -> None:
    assert str(error) == line


def test_callers_can_catch_the_whole_family() -> None:
    with pytest.raises(PaloError, match="Free some disk space"):
        raise StorageError("can't write", fix="Free some disk space.")
