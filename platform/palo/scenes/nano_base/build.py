"""Makes all base weights of the nano scale and a record of how they were made."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch

from palo.config import to_dict
from palo.progress import duration
from palo.scenes.nano_base.language_model import LanguageModelTraining, train_language_model
from palo.scenes.nano_base.tokenizer import train_tokenizer
from palo.scenes.nano_base.tower import TowerTraining, train_tower
from palo.storage import file_hash, write_json

_PACKAGES = ("torch", "transformers", "sentencepiece", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True, slots=True)
class NanoBase:
    """How the nano base weights are made.

    Attributes:
        vocab_size: Pieces of the tokenizer.
        tower: The image tower.
        language_model: The language model.
    """

    vocab_size: int = 1792
    tower: TowerTraining = field(default_factory=TowerTraining)
    language_model: LanguageModelTraining = field(default_factory=LanguageModelTraining)


def build_nano_base(
    folder: Path, config: NanoBase, command: str, report: Callable[[str], None]
) -> None:
    """Trains the tokenizer, the tower and the language model, one after the other.

    Args:
        folder: Where to write tokenizer/, tower/, language_model/ and build.json.
        config: Sizes and schedules.
        command: What the user typed, for the record.
        report: Gets a line of progress now and then.
    """
    started = time.monotonic()

    def progress_of(part: str) -> Callable[[int, int, float], None]:
        last = (started, 0)

        def line(step: int, num_steps: int, loss: float) -> None:
            nonlocal last
            now = time.monotonic()
            since, before = last
            last = (now, step)
            num_new = step - before if step > before else step  # the next course restarts the count
            left = duration((now - since) / num_new * (num_steps - step))
            so_far = duration(now - started)
            report(f"{so_far}  {part}  step {step}/{num_steps}  loss {loss:.4f}  {left} left")

        return line

    train_tokenizer(folder / "tokenizer", config.vocab_size)
    tower_accuracy = train_tower(folder / "tower", config.tower, progress_of("tower"))
    losses = train_language_model(
        folder / "language_model",
        folder / "tokenizer",
        config.language_model,
        progress_of("language model"),
    )
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".model", ".safetensors"))
    write_json(
        folder / "build.json",
        {
            "command": command,
            "config": to_dict(config),
            "tower_accuracy_on_held_out_patches": round(tower_accuracy, 4),
            "language_model_final_losses": [round(loss, 4) for loss in losses],
            "wall_s": round(time.monotonic() - started),
            # Another set of instructions rounds otherwise, and gives other weights.
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "versions": {"python": platform.python_version()}
            | {package: version(package) for package in _PACKAGES},
            "sha256": {str(path.relative_to(folder)): file_hash(path) for path in files},
        },
    )
