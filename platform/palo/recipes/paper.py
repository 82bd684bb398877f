"""The paper's three scales, and variants as its authors' scripts ran them.

Where the paper (arXiv 2402.14818v2) and the released scripts differ, the paper is the default:
LoRA's alpha (128 there, 256 in the scripts), the pretrain learning rate (2e-3; 1e-3 in LLaVA-1.5's
and MobileVLM's scripts), LoRA for the 1.7B model (the script trains all of it under ZeRO-2). The
scripts cut long conversations off, crop the images of the pretrain stage and take the text as it
is; we split, pad and clean.
"""

from dataclasses import replace
from pathlib import Path

from palo import languages
from palo.checkpoint.parts import ModelParts
from palo.corpus.config import AS_IT_IS
from palo.corpus.filter.mixture import MixtureSettings
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.model.lora import LoraSettings
from palo.recipes.recipe import DataSettings, Recipe
from palo.train.stages import OptimizerSettings, StageConfig, WorkerSettings, ZeroSettings
from palo.train.watch_settings import ValidationSettings

_CAPTIONS = 595_375
_ENGLISH, _TRANSLATED = 665_298, 157_712
PAPER_LANGUAGES = languages.BUILT_IN
_COUNTS = {code: _ENGLISH if code == "en" else _TRANSLATED for code in PAPER_LANGUAGES}
_GQA = 72_140
# At most: COCO's training images, those of GQA, OCR-VQA and TextVQA, and what of Visual Genome is
# not in COCO. The translated instructions are about some of COCO's alone.
_IMAGES = 330_000
_CONTEXT = 2048
# At least 40 GB, with bfloat16 and fast links between them. Not auto-detected: A100-80G.
GPU_KINDS = ("A100", "H100", "H200", "H20", "B200", "B300", "GB200", "GB300", "A100-80G")
# The same eight GPUs encode the images first. LLaVA's tower computes in bfloat16, too.
_ENCODERS = EncoderSettings(count=8, gpus=1.0, gpu_kinds=GPU_KINDS, dtype="bfloat16", batch=128)
_EIGHT_GPUS = WorkerSettings(count=8, use_gpu=True, cpus=8.0, gpu_kinds=GPU_KINDS)
# A thousandth of the rows; their loss takes about one per cent of the time.
_HELD_OUT = ValidationSettings(rows_per_language=200, every=500)


def palo_7b() -> Recipe:
    """PALO-7B: Vicuna-7B v1.5 with a two-layer MLP, LoRA under ZeRO-3 on eight GPUs."""
    return _paper("palo-7b", "7b", language_model="vicuna-7b-v1.5", image_tokens=576)


def palo_13b() -> Recipe:
    """PALO-13B: Vicuna-13B v1.5 with a two-layer MLP, LoRA under ZeRO-3 on eight GPUs."""
    return _paper("palo-13b", "13b", language_model="vicuna-13b-v1.5", image_tokens=576)


def mobile_1_7b() -> Recipe:
    """MobilePALO-1.7B: MobileLLaMA-1.4B-Chat with the LDP projector, LoRA on eight GPUs."""
    recipe = _paper(
        "palo-mobile-1.7b", "mobile-1.7b", language_model="MobileLLaMA-1.4B-Chat", image_tokens=144
    )
    return replace(recipe, parts=replace(recipe.parts, projector_type="ldp"))


def palo_7b_only(language: str) -> Recipe:
    """PALO-7B trained on one language alone, a row of the paper's Table 2.

    English is LLaVA-1.5's mixture (665K), each other language the 150K translated instructions. All
    rows share the corpora and the pretrain stage of `7b`: whichever run comes first makes them.

    Args:
        language: ISO 639-1 code of one of the paper's languages.
    """
    recipe = palo_7b()
    return replace(
        recipe,
        output=recipe.output.with_name(f"palo-7b-only-{language}"),
        pretrain_output=recipe.output / "pretrain",
        finetune=replace(recipe.finetune, languages=(language,)),
        data=replace(recipe.data, expected_instructions=_COUNTS[language]),
    )


def palo_7b_bengali_72k() -> Recipe:
    """Table 2's Bengali row with the paper's 72K further instructions, GQA's in Bengali.

    They were not released: translate GQA's part of LLaVA-1.5's mixture with jobs/translate.py.
    """
    recipe = palo_7b_only("bn")
    data = recipe.data
    count = _COUNTS["bn"] + _GQA
    return replace(
        recipe,
        output=recipe.output.with_name("palo-7b-only-bn-72k"),
        data=replace(
            data,
            more_instructions=Path("data") / "gqa_bengali.jsonl",
            more_language="bn",
            mixture=MixtureSettings(languages=("bn",), per_language={"bn": count}),
            expected_instructions=count,
        ),
    )


def palo_7b_scripts() -> Recipe:
    """PALO-7B as finetune_lora_palo.sh and LLaVA-1.5's pretrain.sh ran it."""
    return _as_scripts(palo_7b(), "palo-7b-scripts")


def palo_13b_scripts() -> Recipe:
    """PALO-13B as finetune_lora_palo.sh and LLaVA-1.5's pretrain.sh ran it."""
    return _as_scripts(palo_13b(), "palo-13b-scripts")


def mobile_1_7b_scripts() -> Recipe:
    """MobilePALO-1.7B as finetune_palo.sh ran it: the whole language model, under ZeRO-2."""
    recipe = _as_scripts(mobile_1_7b(), "palo-mobile-1.7b-scripts")
    finetune = replace(
        recipe.finetune,
        trains="full",
        lora=None,
        optimizer=OptimizerSettings(lr_projector=2e-5, lr_language_model=2e-5),
        zero=ZeroSettings(stage=2),
    )
    return replace(recipe, finetune=finetune)


def _paper(name: str, scale: str, language_model: str, image_tokens: int) -> Recipe:
    models, data = Path("models"), Path("data")
    zero = ZeroSettings(stage="auto", partition_at_load=True)
    return Recipe(
        scale=scale,
        output=Path("runs") / name,
        corpora=Path("runs") / "corpora",
        parts=ModelParts(
            tower=models / "clip-vit-large-patch14-336",
            language_model=models / language_model,
            tokenizer=models / language_model,
        ),
        data=DataSettings(
            captions=data / "LLaVA-CC3M-Pretrain-595K" / "chat.json",
            captions_images=data / "LLaVA-CC3M-Pretrain-595K" / "images",
            instructions=data / "palo_multilingual_dataset.json",
            instructions_images=data,
            max_text_tokens=_CONTEXT - image_tokens,
            expected_captions=_CAPTIONS,
            expected_instructions=sum(_COUNTS.values()),
            expected_images=_IMAGES,
            mixture=MixtureSettings(per_language=_COUNTS),
            encoders=_ENCODERS,
            image_stores=Path("runs") / "image_stores",
        ),
        pretrain=StageConfig(
            template="plain",
            trains="projector",
            optimizer=OptimizerSettings(lr_projector=2e-3),
            global_batch=256,
            token_budget=8 * _CONTEXT,
            chunked_loss=True,
            activation_checkpointing=True,
            zero=zero,
            workers=_EIGHT_GPUS,
        ),
        finetune=StageConfig(
            template="vicuna_v1",
            trains="lora",
            lora=LoraSettings(rank=128, alpha=128.0, dropout=0.05),
            optimizer=OptimizerSettings(lr_projector=2e-5, lr_language_model=2e-4),
            global_batch=128,
            token_budget=8 * _CONTEXT,
            chunked_loss=True,
            activation_checkpointing=True,
            zero=zero,
            workers=_EIGHT_GPUS,
            validation=_HELD_OUT,
        ),
    )


def _as_scripts(recipe: Recipe, name: str) -> Recipe:
    assert recipe.pretrain is not None
    return replace(
        recipe,
        output=recipe.output.with_name(name),
        data=replace(recipe.data, overflow="truncate", pretrain_aspect="crop", cleaning=AS_IT_IS),
        pretrain=replace(
            recipe.pretrain,
            optimizer=OptimizerSettings(lr_projector=1e-3),
            zero=ZeroSettings(stage=2),
        ),
        finetune=replace(
            recipe.finetune,
            lora=LoraSettings(rank=128, alpha=256.0, dropout=0.05),
            zero=ZeroSettings(stage=3, partition_at_load=True),  # zero3.json
            validation=ValidationSettings(),  # the scripts train on every row
        ),
    )
