"""Inputs of the training bench: the mini model with random weights, and a corpus of random ids.

Speed depends on shapes and lengths, not on values, so nothing has to be downloaded.
"""

import hashlib
import random
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

_NUM_IMAGES = 64
# Text tokens of a caption with its question, as the mini recipe's photos have them.
_TEXT_TOKENS = (48, 144)
_TRAINED_SHARE = 0.5
_BEYOND = 10**9


def write_inputs(settings: TrainBench, folder: Path) -> StageJob:
    """Writes model and corpus, and returns a stage that trains on them as the mini recipe does."""
    parts = _write_parts(settings, folder)
    stage = _stage(settings)
    corpus = folder / "corpus"
    _write_corpus(settings, corpus, parts, stage.template)
    return StageJob(name="bench", config=stage, parts=parts, corpus=corpus, output=folder / "run")


def _stage(settings: TrainBench) -> StageConfig:
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


def _write_parts(settings: TrainBench, folder: Path) -> ModelParts:
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
        tokenizer=BASE / "tokenizer",
        image_size=settings.image_size,
    )


def _model_config(settings: TrainBench) -> PaloConfig:
    config = mini_size()
    text = config.text_config
    text.intermediate_size = text.intermediate_size * settings.width // text.hidden_size
    text.hidden_size, text.head_dim = settings.width, settings.width // text.num_attention_heads
    text.num_hidden_layers = settings.layers
    return config


def _write_corpus(settings: TrainBench, folder: Path, parts: ModelParts, template: str) -> None:
    generator = random.Random(settings.seed)  # noqa: S311 - sizes of a bench
    num_samples = settings.samples_per_step * settings.num_steps
    rows = [_row(number, generator) for number in range(num_samples)]
    write_samples(folder / "samples" / "000.parquet", rows)
    spec = _store_spec(settings, parts)
    prepare_store(folder / "images", spec)
    shape = (_NUM_IMAGES, *spec.shape)
    features = torch.randn(shape, generator=torch.Generator().manual_seed(settings.seed))
    write_shard(
        folder / "images", spec, [_image_id(n) for n in range(_NUM_IMAGES)], features.bfloat16()
    )
    commit_store(folder / "images")
    counts: dict[str, object] = {field.name: 0 for field in fields(LanguageCount)}
    counts |= {"language": "en", "num_samples": num_samples, "lengths": ()}
    language = LanguageCount(**counts)  # type: ignore[arg-type]
    manifest = Manifest(
        stages=(StageCount(name="draw", rows_in=num_samples, rows_out=num_samples),),
        languages=(language,),
        files={"samples/000.parquet": (folder / "samples" / "000.parquet").stat().st_size},
        num_samples=num_samples,
        num_images=_NUM_IMAGES,
        inputs={},
        settings={},
        template=template,
        tokenizer_fingerprint=load_tokenizer(parts.tokenizer).fingerprint,
        tower_fingerprint=spec.tower_fingerprint,
        image_store="images",
        code_version=code_version(),
        fingerprint="0" * 16,
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
        "image_id": _image_id(number % _NUM_IMAGES),
        "input_ids": ids,
        "label_spans": [(first, len(ids))],
        "num_text_tokens": num_text,
        "truncated": False,
    }


def _image_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()
