"""Public functions describe their arguments; public classes have names of their own."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

_SELF = {"self", "cls"}
_DEBT = Path(__file__).with_name("undescribed_arguments.txt")
"""Functions that don't describe theirs yet; the list only shrinks."""


def _public(body: list[ast.stmt]) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Yields public functions and methods, each with the docstring that describes its arguments."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner, doc in _public(node.body):
                yield inner, doc
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    yield inner, ast.get_docstring(node) or ""
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(one) for one in node.decorator_list}
            if not node.name.startswith("_") and "override" not in decorators:
                yield node, ast.get_docstring(node) or ""


def _undescribed(node: ast.FunctionDef | ast.AsyncFunctionDef, doc: str) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    names = [one.arg for one in arguments if not one.arg.startswith("_")]
    described = doc.partition("Args:")[2]
    return [name for name in names if name not in _SELF and f"\n    {name}" not in described]


def _found(library: list[Path], root: Path) -> set[str]:
    return {
        f"{path.relative_to(root)} {node.name}"
        for path in library
        for node, doc in _public(ast.parse(path.read_text(encoding="utf-8")).body)
        if _undescribed(node, doc)
    }


def test_every_public_function_describes_its_arguments(library: list[Path], root: Path) -> None:
    debt = set(_DEBT.read_text(encoding="utf-8").splitlines()) if _DEBT.exists() else set()
    found = _found(library, root)
    assert not sorted(found - debt), "these describe not all of their arguments under `Args:`"
    assert not sorted(debt - found), f"take these out of {_DEBT.name}; running this file does it"


def test_no_two_public_classes_share_a_name(library: list[Path], root: Path) -> None:
    places = defaultdict(list)
    for path in library:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(root)))
    assert not {name: where for name, where in places.items() if len(where) > 1}


if __name__ == "__main__":
    checkout = Path(__file__).resolve().parents[2]
    lines = sorted(_found(sorted((checkout / "platform" / "palo").rglob("*.py")), checkout))
    _DEBT.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
