"""The documents, and what their text names."""

import ast
import re
from pathlib import Path

TOP = (
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "DECISIONS.md", "SECURITY.md",
)  # fmt: skip
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def documents(root: Path) -> list[str]:
    """Returns every document's path, relative to the checkout."""
    pages = sorted((root / "docs").rglob("*.md"))
    return [*TOP, *(str(page.relative_to(root)) for page in pages)]


def text_of(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(text) if kind == language]


def inline_code(text: str) -> list[str]:
    """Returns the code spans outside of blocks, line breaks as spaces."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCE.sub("", text))]


def definitions(path: Path) -> set[str]:
    """Returns a module's functions, classes, constants, and methods as `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        found |= _names(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for inner in node.body for name in _names(inner)}
    return found


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.AnnAssign):
        return {node.target.id} if isinstance(node.target, ast.Name) else set()
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()
