"""Real photos and real pretrained weights on two CPU cores: DINOv2-small and SmolLM2-135M.

`make mini` prepares the folders that this recipe names.
"""

from pathlib import Path

from palo.checkpoint.parts import ModelParts
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.model.lora import LoraSettings
from palo.recipes.recipe import DataSettings, Recipe
from palo.train.stages import OptimizerSettings, StageConfig, WorkerSettings, ZeroSettings

_MODELS = Path("models") / "mini"
# Gathering all weights of so small a model through the loopback costs a fifth of a step, and
# dividing them saves 200 MB a worker: only the embeddings are divided.
_ZERO = ZeroSettings(persistence_threshold=1_000_000, whole_blocks=True)


def mini() -> Recipe:
    """DINOv2-small, a two-layer MLP and SmolLM2-135M on 89 COCO photos with captions."""
    workers = WorkerSettings(count=2, cpus=1.0)
    return Recipe(
        scale="mini",
        output=Path("runs") / "mini",
        parts=ModelParts(
            tower=_MODELS / "tower",
            language_model=_MODELS / "language_model",
            tokenizer=_MODELS / "language_model",
            image_size=112,
        ),
        data=DataSettings(
            captions=_MODELS / "data" / "captions.jsonl",
            captions_images=_MODELS / "data" / "images",
            instructions=_MODELS / "data" / "instructions.jsonl",
            instructions_images=_MODELS / "data" / "images",
            photos=_MODELS / "data" / "heldout.jsonl",
            photos_images=_MODELS / "data" / "images",
            max_text_tokens=512,
            encoders=EncoderSettings(count=2),
        ),
        pretrain=StageConfig(
            template="plain",
            trains="projector",
            # LLaVA's 1e-3 is for thousands of steps of 256: in these 28 of 16 the loss grows.
            optimizer=OptimizerSettings(lr_projector=3e-4, warmup_ratio=0.1),
            global_batch=16,
            token_budget=2048,
            dtype="float32",
            workers=workers,
            zero=_ZERO,
            checkpoint_every=20,
        ),
        finetune=StageConfig(
            template="chatml",
            trains="lora",
            lora=LoraSettings(rank=32, alpha=64.0, dropout=0.05),
            optimizer=OptimizerSettings(
                lr_projector=1e-4, lr_language_model=5e-4, warmup_ratio=0.05
            ),
            global_batch=8,
            epochs=3,
            token_budget=2048,
            dtype="float32",
            workers=workers,
            zero=_ZERO,
            checkpoint_every=20,
        ),
    )
