"""An engine takes no more memory than there is, and says what it couldn't have."""

import logging
from pathlib import Path

import psutil
import pytest
from transformers import LlamaConfig

from palo.errors import ResourceError
from palo.inference.engine import EngineSettings
from palo.inference.memory import fit_to, free_memory_bytes
from palo.machine import GIB

# Vicuna-7B: a token takes 512 KiB in bfloat16, a conversation of 2,048 tokens 1 GiB.
_VICUNA = LlamaConfig(max_position_embeddings=4096)
_WANTED = EngineSettings(num_slots=32, max_context=2048, prefix_cache_bytes=GIB // 2)


def test_with_room_enough_it_is_as_large_as_it_was_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert fit_to(_WANTED, _VICUNA, 2, 80 * GIB) == _WANTED
    assert not caplog.records


@pytest.mark.parametrize(("free_gib", "num_slots"), [(8.9, 7), (4, 2), (3, 2), (1.5, 1)])
def test_slots_are_as_many_as_fit_beside_the_reserve(free_gib: float, num_slots: int) -> None:
    fitted = fit_to(_WANTED, _VICUNA, 2, int(free_gib * GIB))
    assert fitted.num_slots == num_slots
    taken = num_slots * GIB + fitted.prefix_cache_bytes
    assert taken <= 0.85 * free_gib * GIB
    assert fitted.num_slots + fitted.max_waiting == _WANTED.num_slots + _WANTED.max_waiting


def test_what_is_missing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    fit_to(_WANTED, _VICUNA, 2, 9 * GIB)
    assert "7 of 32 conversations of 2048 tokens" in caplog.text


def test_no_conversation_is_longer_than_the_model_takes() -> None:
    config = LlamaConfig(max_position_embeddings=256)
    longer = EngineSettings(num_slots=8, max_context=4096)
    assert fit_to(longer, config, 2, 4 * GIB).num_slots == 8


@pytest.mark.parametrize("free_bytes", [GIB, 0, -GIB])
def test_without_room_for_one_it_says_what_one_takes(free_bytes: int) -> None:
    with pytest.raises(ResourceError, match=r"one of 2,048 tokens takes 1\.00 GiB"):
        fit_to(_WANTED, _VICUNA, 2, free_bytes)


@pytest.mark.parametrize(
    ("most", "taken", "free"), [("1000", "400", 650), ("1000", "1200", 0), ("max", "400", None)]
)
def test_a_container_has_a_limit_of_its_own(
    tmp_path: Path, most: str, taken: str, free: int | None
) -> None:
    (tmp_path / "memory.max").write_text(most + "\n")
    (tmp_path / "memory.current").write_text(taken + "\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 30\nactive_file 20\n")
    found = free_memory_bytes(tmp_path)
    if free is None:
        assert 0 < found <= psutil.virtual_memory().total
    else:
        assert found == free


def test_without_a_container_the_machine_counts(tmp_path: Path) -> None:
    assert 0 < free_memory_bytes(tmp_path) <= psutil.virtual_memory().total
