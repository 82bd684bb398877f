"""Folders of finished stages that another version wrote are refused with what to do."""

import pytest

from palo import storage
from palo.checkpoint.finished import FORMAT_VERSION, describe_stage
from palo.errors import MismatchError


@pytest.mark.parametrize("version", [1, FORMAT_VERSION + 1, None])
def test_another_format_is_refused(tmp_path, version) -> None:
    values = {"parts": {"language": "models/language"}}
    if version is not None:
        values["version"] = version
    storage.write_json(tmp_path / "model.json", values)
    with pytest.raises(MismatchError, match=rf"reads format {FORMAT_VERSION}.*Train it again"):
        describe_stage(tmp_path)
