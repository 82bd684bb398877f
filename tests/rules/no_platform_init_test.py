"""platform/ is a source root: as a package it would hide the standard library's `platform`."""

import subprocess
import sys
from pathlib import Path


def test_platform_is_no_package(root: Path) -> None:
    assert not list((root / "platform").glob("__init__.*"))


def test_nothing_but_palo_lies_beside_palo(root: Path) -> None:
    entries = {entry.name for entry in (root / "platform").iterdir()}
    assert {
        name
        for name in entries
        if name[0] != "." and not name.endswith((".egg-info", "__pycache__"))
    } == {"palo"}


def test_the_standard_librarys_platform_is_found_from_the_checkout(root: Path) -> None:
    program = "import platform; print(platform.__file__); platform.system()"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert not Path(result.stdout.strip()).is_relative_to(root / "platform")
