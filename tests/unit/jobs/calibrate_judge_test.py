import json

import pytest
from jobs import calibrate_judge

from palo.errors import DataError

_ANSWER = {
    "system": "a-English", "task": "t", "instance": "1", "question": "What is it?",
    "reference": "A red car.", "response": "A car.", "score": "4",
}  # fmt: skip


def test_fewer_than_two_languages_are_told(tmp_path, capsys):
    """Regression: of a folder without answers an empty table was printed, and none was an error."""
    output = tmp_path / "judge.json"
    for found in ("none", "en"):
        with pytest.raises(DataError, match=f"two are needed: {found} in {tmp_path}"):
            calibrate_judge.main([str(tmp_path), "--output", str(output)])
        (tmp_path / "en.jsonl").write_text(json.dumps(_ANSWER))
    assert not capsys.readouterr().out
    assert not output.exists()
