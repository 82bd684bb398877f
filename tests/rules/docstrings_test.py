"""Public functions describe their arguments and errors; public classes have names of their own."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest


class _Function(NamedTuple):
    """A public function or method, and the docstring that describes it."""

    place: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    doc: str

    def __str__(self) -> str:
        return f"{self.place}:{self.node.lineno} {self.node.name}"


def _public(body: list[ast.stmt], place: str, of_class: str = "") -> Iterator[_Function]:
    """Yields the public functions below; a class describes the arguments of its `__init__`."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, place, ast.get_docstring(node) or "-")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name == "__init__" and of_class:
                yield _Function(place, node, of_class)
            elif not node.name.startswith("_"):
                yield _Function(place, node, ast.get_docstring(node) or "")


@pytest.fixture(scope="module")
def trees(library: list[Path], root: Path) -> dict[str, ast.Module]:
    """Every module of palo, by its path."""
    return {
        str(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8")) for path in library
    }


@pytest.fixture(scope="module")
def functions(trees: dict[str, ast.Module]) -> list[_Function]:
    """All public functions but those whose docstring refers to their interface, `See Backend.`"""
    found = [one for place, tree in trees.items() for one in _public(tree.body, place)]
    return [one for one in found if not one.doc.startswith("See ")]


def _described(doc: str, section: str) -> str:
    """Returns a section of a docstring in Google's style."""
    lines = doc.partition(f"{section}:\n")[2].splitlines()
    own = []
    for line in lines:
        if line and not line.startswith(" "):
            break
        own.append(line)
    return "\n".join(own)


def test_public_functions_describe_their_arguments(functions: list[_Function]) -> None:
    wrong = []
    for one in functions:
        arguments = one.node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        names = [each.arg for each in every if each.arg not in ("self", "cls")]
        described = "\n" + _described(one.doc, "Args")
        missing = [
            name for name in names if not name.startswith("_") and f"\n    {name}:" not in described
        ]
        if missing:
            wrong.append(f"{one}: {', '.join(missing)}")
    assert not wrong


def test_public_functions_describe_the_errors_that_they_raise(
    functions: list[_Function], trees: dict[str, ast.Module]
) -> None:
    """Errors that a function raises by name; what comes of functions that it calls is prose."""
    bases: dict[str, set[str]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                bases[node.name] = {getattr(base, "id", "") for base in node.bases}
    wrong = []
    for one in functions:
        described = _described(one.doc, "Raises")
        for name in sorted(_raised(one.node) & set(bases)):
            family, todo = {name}, [name]
            while todo:
                more = bases.get(todo.pop(), set()) - family
                family |= more
                todo += more
            if not any(member and f"{member}:" in described for member in family):
                wrong.append(f"{one}: {name}")
    assert not wrong


def _raised(node: ast.AST) -> set[str]:
    """Returns the names of the errors that a function raises itself, not one within it."""
    found: set[str] = set()
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(inner, ast.Raise) and isinstance(inner.exc, ast.Call):
            found.add(getattr(inner.exc.func, "id", "_"))
        found |= _raised(inner)
    return {name for name in found if not name.startswith("_")}


def test_no_two_public_classes_share_a_name(trees: dict[str, ast.Module]) -> None:
    places = defaultdict(list)
    for place, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(place)
    assert not {name: where for name, where in places.items() if len(where) > 1}
