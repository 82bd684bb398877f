"""Inputs of the training bench: the mini model with random weights, and a corpus of random ids.

Speed depends on shapes and lengths, not on values, so nothing has to be downloaded.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import torch
from training.settings import TrainBench
from transformers import AutoModel, LlamaForCausalLM

from palo.checkpoint.parts import ModelParts, weights_fingerprint
from palo.data.manifest import LanguageCount, Manifest, StageCount, code_version, write_manifest
from palo.data.samples import write_samples
from palo.images.preprocessing import Preprocessing
from palo.images.store import commit_store, prepare_store, write_shard
from palo.images.store_spec import StoreSpec
from palo.model.config import PaloConfig
from palo.model.sizes import mini as mini_size
from palo.recipes.mini import mini as mini_recipe
from palo.recipes.nano import BASE
from palo.text.encoding import IMAGE_SENTINEL
from palo.text.tokenizer import load_tokenizer
from palo.train.stages import StageConfig, StageJob, WorkerSettings

NUM_IMAGES = 64
"""Images of the corpus, which samples take in turn."""
FINGERPRINT = "0" * 16
"""Name of the corpus, on which the order of its samples depends."""
# Text tokens of a caption with its question, as the mini recipe's photos have them.
_TEXT_TOKENS = (48, 144)
_TRAINED_SHARE = 0.5
_BEYOND = 10**9


def write_inputs(settings: TrainBench, folder: Path) -> StageJob:
    """Writes model and corpus, and returns a stage that trains on them as the mini recipe does."""
    parts = write_parts(settings, folder)
    stage = bench_stage(settings)
    corpus = folder / "corpus"
    generator = random.Random(settings.seed)  # noqa: S311 - sizes of a bench
    num_samples = settings.samples_per_step * settings.num_steps
    rows = [_row(number, generator) for number in range(num_samples)]
    write_corpus(settings, corpus, parts, stage.template, rows)
    return StageJob(name="bench", config=stage, parts=parts, corpus=corpus, output=folder / "run")


def bench_stage(settings: TrainBench) -> StageConfig:
    """Returns the mini recipe's second stage, as long as the bench's settings say."""
    on_gpu = settings.device == "cuda"
    stage = mini_recipe().finetune
    threshold = settings.persistence_threshold
    if threshold is not None:
        stage = replace(stage, zero=replace(stage.zero, persistence_threshold=threshold))
    return replace(
        stage,
        global_batch=settings.samples_per_step,
        epochs=1,
        dtype="bfloat16" if on_gpu else "float32",
        workers=WorkerSettings(count=settings.workers, use_gpu=on_gpu, max_failures=0),
        checkpoint_every=_BEYOND,
        seed=settings.seed,
    )


def write_parts(
    settings: TrainBench, folder: Path, tokenizer: Path = BASE / "tokenizer"
) -> ModelParts:
    """Writes the mini model's parts with random weights.

    Args:
        settings: The bench's.
        folder: Where they go.
        tokenizer: Folder of the tokenizer that the corpus is named after.
    """
    config = _model_config(settings)
    torch.manual_seed(settings.seed)
    # The tower never runs, since the corpus holds its features, but it is part of the model.
    tower = AutoModel.from_config(config.vision_config, dtype=torch.bfloat16)
    tower.save_pretrained(folder / "tower")
    language = LlamaForCausalLM._from_config(config.text_config, dtype=torch.bfloat16)
    language.save_pretrained(folder / "language_model")
    return ModelParts(
        tower=folder / "tower",
        language_model=folder / "language_model",
        tokenizer=tokenizer,
        image_size=settings.image_size,
    )


def _model_config(settings: TrainBench) -> PaloConfig:
    config = mini_size()
    text = config.text_config
    text.intermediate_size = text.intermediate_size * settings.width // text.hidden_size
    text.hidden_size, text.head_dim = settings.width, settings.width // text.num_attention_heads
    text.num_hidden_layers = settings.layers
    return config


def write_corpus(
    settings: TrainBench,
    folder: Path,
    parts: ModelParts,
    template: str,
    rows: Sequence[Mapping[str, object]],
) -> None:
    """Writes a corpus of these rows, and random features of its images.

    Args:
        settings: The bench's.
        folder: Folder of the corpus.
        parts: The model's parts.
        template: Conversation template that the rows were encoded with.
        rows: The samples' columns; the images' names are `image_name`'s.
    """
    num_samples = len(rows)
    write_samples(folder / "samples" / "000.parquet", rows)
    spec = _store_spec(settings, parts)
    prepare_store(folder / "images", spec)
    names = [image_name(number) for number in range(NUM_IMAGES)]
    write_shard(folder / "images", spec, names, image_features(spec.shape, settings.seed))
    commit_store(folder / "images")
    counts: dict[str, object] = {field.name: 0 for field in fields(LanguageCount)}
    counts |= {"language": "en", "num_samples": num_samples, "lengths": ()}
    language = LanguageCount(**counts)  # type: ignore[arg-type]
    manifest = Manifest(
        stages=(StageCount(name="draw", rows_in=num_samples, rows_out=num_samples),),
        languages=(language,),
        files={"samples/000.parquet": (folder / "samples" / "000.parquet").stat().st_size},
        num_samples=num_samples,
        num_images=NUM_IMAGES,
        inputs={},
        settings={},
        template=template,
        tokenizer_fingerprint=load_tokenizer(parts.tokenizer).fingerprint,
        tower_fingerprint=spec.tower_fingerprint,
        image_store="images",
        code_version=code_version(),
        fingerprint=FINGERPRINT,
    )
    write_manifest(folder / "manifest.json", manifest)


def _store_spec(settings: TrainBench, parts: ModelParts) -> StoreSpec:
    vision = mini_size().vision_config
    side = settings.image_size
    return StoreSpec(
        kind="features",
        shape=((side // vision.patch_size) ** 2, vision.hidden_size),
        dtype="bf16",
        tower_fingerprint=weights_fingerprint(parts.tower),
        layer=-2,
        select="patch",
        preprocessing=Preprocessing(image_size=side, shortest_edge=side),
    )


def _row(number: int, generator: random.Random) -> dict[str, object]:
    num_text = generator.randint(*_TEXT_TOKENS)
    # Ids of control tokens may be small; none of these is one in any vocabulary.
    ids = [generator.randrange(1000, 40_000) for _ in range(num_text)]
    ids.insert(4, IMAGE_SENTINEL)
    first = round(len(ids) * (1 - _TRAINED_SHARE))
    return {
        "sample_id": f"{number}",
        "record_id": f"{number}",
        "language": "en",
        "source": "bench",
        "image_id": image_name(number),
        "input_ids": ids,
        "label_spans": [(first, len(ids))],
        "num_text_tokens": num_text,
        "truncated": False,
    }


def image_features(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Returns (images, P, D) bfloat16 random features of the corpus' images, in order.

    Args:
        shape: Patches of an image, and the width of their features.
        seed: Seed of the numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((NUM_IMAGES, *shape), generator=generator).bfloat16()


def image_name(sample: int) -> str:
    """Returns the name of a sample's image.

    Args:
        sample: Number of the sample.
    """
    return hashlib.sha256(str(sample % NUM_IMAGES).encode()).hexdigest()
