"""The documents build, strictly, and their pages ask no other server for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_ASKED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"?https?://", re.IGNORECASE)


def test_the_site_builds_strictly_and_needs_no_network(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra docs isn't installed")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=root,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr + built.stdout
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 50
    assert not [page.name for page in pages if _ASKED.search(page.read_text(encoding="utf-8"))]
