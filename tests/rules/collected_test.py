"""A test that pytest does not collect passes for ever."""

import ast
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef


def _tests_in(body: list[ast.stmt]) -> list[str]:
    return [
        node.name for node in body if isinstance(node, _DEFINITION) and node.name.startswith("test")
    ]


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _holds_tests(tree: ast.Module) -> bool:
    return bool(_tests_in(tree.body)) or any(_tests_in(kind.body) for kind in _classes(tree))


def test_files_with_tests_have_a_name_that_pytest_collects(
    suite: list[Path], root: Path, request: pytest.FixtureRequest
) -> None:
    patterns = request.config.getini("python_files")
    wrong = [
        str(path.relative_to(root))
        for path in suite
        if _holds_tests(_parsed(path)) and not any(fnmatch(path.name, p) for p in patterns)
    ]
    assert not wrong


def test_files_with_the_name_of_a_test_hold_tests(suite: list[Path], root: Path) -> None:
    wrong = [
        str(path.relative_to(root))
        for path in suite
        if path.name.endswith("_test.py") and not _holds_tests(_parsed(path))
    ]
    assert not wrong


def test_no_test_lies_in_a_folder_that_pytest_skips(
    suite: list[Path], root: Path, request: pytest.FixtureRequest
) -> None:
    patterns = request.config.getini("norecursedirs")
    wrong = [
        str(path.relative_to(root))
        for path in suite
        for folder in path.relative_to(root).parts[:-1]
        if any(fnmatch(folder, pattern) for pattern in patterns)
    ]
    assert not wrong
    assert request.config.getini("testpaths") == ["tests"]


def test_no_test_hides_another_of_the_same_name(suite: list[Path], root: Path) -> None:
    wrong = []
    for path in suite:
        tree = _parsed(path)
        for body in [tree.body, *(kind.body for kind in _classes(tree))]:
            twice = [name for name, count in Counter(_tests_in(body)).items() if count > 1]
            wrong += [f"{path.relative_to(root)}: {name}" for name in twice]
    assert not wrong


def test_classes_with_tests_are_named_as_pytest_wants(suite: list[Path], root: Path) -> None:
    wrong = [
        f"{path.relative_to(root)}: {kind.name}"
        for path in suite
        for kind in _classes(_parsed(path))
        if _tests_in(kind.body) and not kind.name.startswith("Test")
    ]
    assert not wrong


def test_unit_tests_mirror_the_package(suite: list[Path], root: Path) -> None:
    """tests/unit/<package>/ belongs to platform/palo/<package>/, tests/unit/jobs/ to jobs/."""
    unit = root / "tests" / "unit"
    wrong = []
    for path in suite:
        if not path.is_relative_to(unit) or path.parent == unit:
            continue
        folder = path.relative_to(unit).parent
        tested = (root / "platform" / "palo" / folder, root / folder)
        if path.name.endswith("_test.py") and not any(place.is_dir() for place in tested):
            wrong.append(str(path.relative_to(root)))
    assert not wrong
