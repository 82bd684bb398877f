"""The embedded default: drawn scenes, base weights that the package holds, two CPU workers."""

from pathlib import Path

import palo
from palo.checkpoint.parts import ModelParts
from palo.model.lora import LoraSettings
from palo.recipes.recipe import DRAWN, DataSettings, Recipe
from palo.scenes.corpus import SceneCorpusConfig
from palo.train.stages import OptimizerSettings, StageConfig, WorkerSettings, ZeroSettings

BASE = Path(palo.__file__).parent / "scenes" / "nano_base"
_SCENES = Path(DRAWN)
_ZERO = ZeroSettings(whole_blocks=True)
_BETAS = (0.9, 0.98)  # a run of a few hundred steps has no time for a longer memory


def nano() -> Recipe:
    """A PALO of 2.6 million parameters that learns to talk about scenes in ten languages."""
    workers = WorkerSettings(count=2, cpus=1.0)
    return Recipe(
        scale="nano",
        output=Path("runs") / "quickstart",
        parts=ModelParts(
            tower=BASE / "tower",
            language_model=BASE / "language_model",
            tokenizer=BASE / "tokenizer",
        ),
        scenes=SceneCorpusConfig(num_train_scenes=3_000, num_records_per_scene=7),
        data=DataSettings(
            captions=_SCENES / "captions.jsonl",
            captions_images=_SCENES,
            instructions=_SCENES / "instructions.jsonl",
            instructions_images=_SCENES,
            questions=_SCENES / "heldout" / "questions.jsonl",
            questions_images=_SCENES,
            max_text_tokens=448,
        ),
        pretrain=StageConfig(
            template="plain",
            trains="projector",
            optimizer=OptimizerSettings(lr_projector=5e-3, betas=_BETAS, warmup_ratio=0.05),
            global_batch=64,
            token_budget=8192,
            dtype="float32",
            zero=_ZERO,
            workers=workers,
            checkpoint_every=50,
        ),
        finetune=StageConfig(
            template="vicuna_v1",
            trains="lora",
            lora=LoraSettings(rank=32, alpha=64.0, dropout=0.0),
            optimizer=OptimizerSettings(
                lr_projector=2e-3, lr_language_model=1.5e-3, betas=_BETAS, warmup_ratio=0.05
            ),
            global_batch=50,
            token_budget=8192,
            dtype="float32",
            zero=_ZERO,
            workers=workers,
            checkpoint_every=50,
        ),
    )
