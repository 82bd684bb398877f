"""The command line of exports."""

import subprocess
import sys

import pytest
from jobs.export import main
from tests.conftest import ROOT

from palo.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give --output FOLDER"),
        (["--output", "x", "--dtype", "int8"], "dtype"),
        (["--output", "x", "--to", "onnx"], "to"),
        (["--output", "."], "no folder of its own"),
    ],
)
def test_wrong_arguments_are_told(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        main(["model", *arguments])


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(DataError, match="no finished model here"):
        main([str(tmp_path), "--output", str(tmp_path / "out")])


def test_a_model_is_exported_and_compared(adapted_stage, tmp_path, capsys):
    words = [str(adapted_stage), "--output", str(tmp_path / "out"), "--dtype", "float32"]
    main(words)
    printed = capsys.readouterr().out
    assert f"exported: {tmp_path / 'out'}" in printed
    assert "equal greedy answers of 8 tokens: 20 of 20" in printed
    main(words)
    assert "holds this export already" in capsys.readouterr().out
    main([*words, "--force", "--no-verify"])
    assert "was not compared" in capsys.readouterr().out


def test_an_error_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "jobs" / "export.py", tmp_path, "--output", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no finished model here")
    assert len(done.stderr.splitlines()) == 1
