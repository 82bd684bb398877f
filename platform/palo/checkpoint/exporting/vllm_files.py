"""What a folder of our own format needs beside its weights, so that `vllm serve` takes it.

Its config.json is that of a Llava that names our class: vLLM asks the plugin in
`palo.inference.vllm_plugin` for it.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from palo import storage
from palo.checkpoint.exporting.chat_template import chat_template
from palo.checkpoint.exporting.llava import stage_config, write_processor
from palo.checkpoint.exporting.llava_config import llava_config
from palo.checkpoint.exporting.tokenizer_files import write_tokenizer_files
from palo.checkpoint.finished import StageResult
from palo.errors import ConfigError
from palo.model.backbones import backbone_of
from palo.model.config import PaloConfig
from palo.text.encoding import stop_ids
from palo.text.piece_tokenizer import SentencePieceTokenizer, words_are_apart
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

_ARCHITECTURE = "PaloForConditionalGeneration"
_TOWERS = ("clip_vision_model", "siglip_vision_model")


def vllm_faults(stage: StageResult) -> Iterator[str]:
    """Yields why vLLM can't run a model with the plugin.

    Args:
        stage: The finished stage.

    Raises:
        MismatchError: If a part is none that can be loaded.
        StorageError: If one can't be read.
    """
    config = stage_config(stage)
    tower, side = config.vision_config, config.input_image_size
    backbone = backbone_of(config.text_config)
    if reason := backbone.lacks.get("vllm serve"):
        yield f"its language model is a {backbone.title}: {reason}"
    if stage.preprocessing is None:
        yield "it has seen no images in its training"
    if tower.model_type not in _TOWERS:
        yield f"its tower is a {tower.model_type}, not one of {', '.join(_TOWERS)}"
    elif side != tower.image_size:
        yield f"images of {side} pixels for a tower of {tower.image_size}"
    if (side // _patch_size(config)) ** 2 != config.tokens_per_image:
        yield f"no processor counts {config.tokens_per_image} tokens of an image of {side} pixels"
    tokenizer = load_tokenizer(stage.parts.tokenizer)
    is_pieces = isinstance(tokenizer, SentencePieceTokenizer)
    if is_pieces and not words_are_apart(storage.read_bytes(tokenizer.files[0])):
        yield "its tokenizer is no BPE model that leaves text as it is"


def write_vllm_files(stage: StageResult, folder: Path, dtype: str) -> None:
    """Writes configuration, tokenizer, processor and chat template beside the weights.

    Args:
        stage: The finished stage.
        folder: Folder of our own format, with all parts inside.
        dtype: Type of its weights, such as bfloat16.

    Raises:
        ConfigError: If vLLM can't run the model.
        MismatchError: If a part is none that can be loaded.
        StorageError: If a file can't be read or written.
    """
    if faults := list(vllm_faults(stage)):
        raise ConfigError(
            f"vLLM can't run the model in {stage.folder}",
            seen="; ".join(faults),
            fix="Serve it with this platform: python jobs/serve.py FOLDER.",
        )
    config = stage_config(stage)
    tokenizer, template = load_tokenizer(stage.parts.tokenizer), TEMPLATES[stage.template]
    longest = int(config.text_config.max_position_embeddings)
    written = write_tokenizer_files(tokenizer, folder, longest)
    storage.write_text(folder / "chat_template.jinja", chat_template(template, tokenizer))
    write_processor(stage, config, folder)
    processor = folder / "processor_config.json"
    storage.write_json(
        processor, storage.read_json(processor) | {"patch_size": _patch_size(config)}
    )
    values = llava_config(config, written, tokenizer.eos_id, dtype)
    values |= {
        "architectures": [_ARCHITECTURE],
        "image_seq_length": config.tokens_per_image,
        "projector_type": config.projector_type,
    }
    # Rows are not added here: the image's id is above them, and vLLM looks none up for it.
    values["text_config"]["vocab_size"] = config.text_config.vocab_size
    storage.write_json(folder / "config.json", values)
    stops = list(stop_ids(template, tokenizer))
    storage.write_json(folder / "generation_config.json", {"eos_token_id": stops})


def _patch_size(config: PaloConfig) -> int:
    """Returns the size of patches with which a processor counts the projector's tokens."""
    return config.input_image_size // math.isqrt(config.tokens_per_image)
