"""What every test may ask for, and which tests this machine can't run.

Collection stays light: nothing here imports torch or ray.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from palo import languages
from palo.session import keep_ray_private

if TYPE_CHECKING:
    from palo.model import PaloConfig, PaloForConditionalGeneration

pytest_plugins = [
    "tests.fixtures.added_languages",
    "tests.fixtures.apertium",
    "tests.fixtures.backbones",
    "tests.fixtures.ceph",
    "tests.fixtures.chat_server",
    "tests.fixtures.finished",
    "tests.fixtures.layouts",
    "tests.fixtures.damaged_layouts",
    "tests.fixtures.metrics",
    "tests.fixtures.programs",
    "tests.fixtures.proofs",
    "tests.fixtures.aws_account",
    "tests.fixtures.s3",
    "tests.fixtures.training",
    "tests.fixtures.translation",
    "tests.fixtures.words",
    "tests.fixtures.completion_server",
    "tests.fixtures.corpora",
    "tests.fixtures.translations",
    "tests.fixtures.vllm_like",
]

ROOT = Path(__file__).resolve().parents[1]

# Modules of tests import Ray when they are collected, before any session begins.
keep_ray_private()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The optional data folder: PALO_DATA, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("PALO_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no optional data folder at {folder}: set PALO_DATA to yours")
    return folder


@pytest.fixture
def eleventh_language(monkeypatch: pytest.MonkeyPatch) -> languages.Language:
    """Swahili, registered for the length of one test in this process."""
    monkeypatch.setattr(languages, "_registry", dict(languages._registry))
    swahili = languages.Language(
        code="sw", name="Swahili", native_name="Kiswahili", script="Latn", resource="low"
    )
    languages.register(swahili)
    return swahili


@pytest.fixture
def tiny_config() -> "Callable[..., PaloConfig]":
    """Makes configurations of a model with 16 patches, width 48, and 99 words."""
    from transformers import CLIPVisionConfig, LlamaConfig

    from palo.model.sizes import from_parts

    def make(
        projector_type: str = "mlp2x_gelu", tower: Any = None, **language: Any
    ) -> "PaloConfig":
        size = {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
        }
        words = {
            "vocab_size": 99,
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            # Large enough for logits that differ, so that comparing them means something.
            "initializer_range": 0.2,
        }
        return from_parts(
            tower or CLIPVisionConfig(**size), LlamaConfig(**(words | language)), projector_type
        )

    return make


@pytest.fixture
def tiny_model(
    tiny_config: "Callable[..., PaloConfig]",
) -> "Callable[..., PaloForConditionalGeneration]":
    """Makes tiny models with random weights, always the same, in evaluation mode."""
    import torch

    from palo.model import PaloForConditionalGeneration

    def make(*args: Any, **kwargs: Any) -> PaloForConditionalGeneration:
        torch.manual_seed(0)
        return PaloForConditionalGeneration(tiny_config(*args, **kwargs)).eval()

    return make


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps tests that share one Ray, or one browser, in one process.

    Those of corpora have a Ray of their own, and those of commands start theirs, so that both
    processes share the long ones.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        # The marks of --dist loadgroup don't reach pytest-xdist 3.8 under pytest 9.2.
        def _split_scope(self, nodeid: str) -> str:
            _, folder, *_, file = nodeid.partition("::")[0].split("/")
            if folder == "ray_local" and file.startswith(("build_", "finetune_", "inspect_")):
                return "corpora"
            return folder if folder in ("browser", "ray_local") else nodeid

    return Together(config, log)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints what was proved, for `make prove`."""
    if config.option.markexpr == "proof":
        from tests.fixtures.proofs import proofs_table

        stats = terminalreporter.stats
        terminalreporter.section("proofs")
        for line in proofs_table([*stats.get("passed", []), *stats.get("failed", [])]):
            terminalreporter.line(line)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips, with the reason, what takes minutes, and what needs a device that isn't there."""
    if item.get_closest_marker("drill") and "drill" not in item.config.option.markexpr:
        pytest.skip("takes minutes: make drills, or -m drill")
    if item.get_closest_marker("gpu") and (reason := _no_gpu()):
        pytest.skip(reason)


@functools.cache
def _no_gpu() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        return "needs a CUDA device: nvidia-smi is not installed"
    listing = subprocess.run([command, "--list-gpus"], capture_output=True, text=True, check=False)
    if listing.returncode != 0 or not listing.stdout.strip():
        return "needs a CUDA device: nvidia-smi lists none"
    import torch  # only where a driver is present, so that other runs never pay for it

    return "" if torch.cuda.is_available() else "needs a CUDA device: this torch sees none"
