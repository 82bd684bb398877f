"""A cluster's files with the settings of a test."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fixtures.aws_account import BUCKET

from palo import storage
from palo.doctor.settings import read_settings
from palo.doctor.stamping import stamp_all

_CLUSTER = Path(__file__).resolve().parents[3] / "cluster"


@pytest.fixture
def cluster_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of cluster/ with some texts of palo.toml replaced, and written everywhere."""

    def make(replaced: dict[str, str] | None = None) -> Path:
        folder = tmp_path / "cluster"
        shutil.copytree(_CLUSTER, folder)
        text = (folder / "palo.toml").read_text(encoding="utf-8").replace("YOUR-BUCKET", BUCKET)
        for old, new in (replaced or {}).items():
            assert old in text
            text = text.replace(old, new)
        storage.write_text(folder / "palo.toml", text)
        for file in list(stamp_all(read_settings(folder / "palo.toml"), folder)):
            storage.write_text(file.path, file.text)
        return folder

    return make
