"""Files and functions stay short enough to be read in one go."""

import ast
from pathlib import Path

_FILE_LINES = 350
_FUNCTION_LINES = 70


def test_no_file_is_too_long(product: list[Path], root: Path) -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in product}
    wrong = [f"{path.relative_to(root)}: {n}" for path, n in lengths.items() if n > _FILE_LINES]
    assert not wrong


def test_no_function_is_too_long(product: list[Path], root: Path) -> None:
    wrong = []
    for path in product:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > _FUNCTION_LINES:
                wrong.append(f"{path.relative_to(root)}:{node.lineno} {node.name}: {length}")
    assert not wrong
