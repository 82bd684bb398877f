"""What the security documents say is shown by tests, which exist."""

import ast
import re
from pathlib import Path

_PAGES = ("SECURITY.md", "docs/security/threat_model.md")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def _tests_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists(root: Path) -> None:
    text = "".join((root / page).read_text(encoding="utf-8") for page in _PAGES)
    named = set(_TEST.findall(text))
    assert len(named) > 50
    wrong = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (root / file).is_file() or name not in _tests_of(root / file)
    ]
    assert not wrong


def test_every_row_names_a_test(root: Path) -> None:
    lines = (root / _PAGES[1]).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| attempt")]
    assert not [row for row in rows if not _TEST.search(row)]


def test_links_lead_to_files(root: Path) -> None:
    for page in map(root.joinpath, _PAGES):
        links = _LINK.findall(page.read_text(encoding="utf-8"))
        assert not [link for link in links if not (page.parent / link).exists()]
