"""The sources that the rules look at."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "__pycache__" not in path.parts]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def library() -> list[Path]:
    """Every module of palo."""
    return _sources("platform/palo")


@pytest.fixture(scope="session")
def product() -> list[Path]:
    """Every Python file that people run or import: the library, the jobs and the apps."""
    return _sources("platform/palo", "jobs", "apps", "cluster", "requirements")


@pytest.fixture(scope="session")
def suite() -> list[Path]:
    """Every Python file below tests/."""
    return _sources("tests")
