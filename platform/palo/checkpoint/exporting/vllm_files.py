"""What a folder of our own format needs beside its weights, so that `vllm serve` takes it.

Its config.json is that of a Llava that names our class: vLLM asks the plugin in
`palo.inference.vllm_plugin` for it.
"""

import math
from pathlib import Path

from palo import storage
from palo.checkpoint.exporting.chat_template import chat_template
from palo.checkpoint.exporting.llava import stage_config, write_processor
from palo.checkpoint.exporting.llava_config import llava_config
from palo.checkpoint.exporting.tokenizer_files import write_tokenizer_files
from palo.checkpoint.finished import StageResult
from palo.errors import ConfigError
from palo.model.config import PaloConfig
from palo.text.encoding import stop_ids
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

_ARCHITECTURE = "PaloForConditionalGeneration"
_TOWERS = ("clip_vision_model", "siglip_vision_model")


def require_vllm(stage: StageResult) -> PaloConfig:
    """Returns the configuration of a model that the plugin for vLLM can run.

    Args:
        stage: The finished stage.

    Raises:
        ConfigError: If it can't.
    """
    config = stage_config(stage)
    tower = config.vision_config
    if stage.preprocessing is None:
        seen = "it has seen no images in its training"
    elif tower.model_type not in _TOWERS:
        seen = f"its tower is a {tower.model_type}, not one of {', '.join(_TOWERS)}"
    elif config.input_image_size != tower.image_size:
        seen = f"images of {config.input_image_size} pixels for a tower of {tower.image_size}"
    else:
        return config
    raise ConfigError(
        f"vLLM can't run the model in {stage.folder}",
        seen=seen,
        fix="Serve it with this platform: python jobs/serve.py FOLDER.",
    )


def write_vllm_files(stage: StageResult, folder: Path, dtype: str) -> None:
    """Writes configuration, tokenizer, processor and chat template beside the weights.

    Args:
        stage: The finished stage.
        folder: Folder of our own format, with all parts inside.
        dtype: Type of its weights, such as bfloat16.

    Raises:
        ConfigError: If the plugin can't run the model.
        MismatchError: If no tokenizer.json can have its tokenizer's ids.
        StorageError: If a file can't be read or written.
    """
    config = require_vllm(stage)
    tokenizer, template = load_tokenizer(stage.parts.tokenizer), TEMPLATES[stage.template]
    longest = int(config.text_config.max_position_embeddings)
    written = write_tokenizer_files(tokenizer, folder, longest)
    storage.write_text(folder / "chat_template.jinja", chat_template(template, tokenizer))
    write_processor(stage, config, folder)
    _count_tokens(config, folder / "processor_config.json")
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


def _count_tokens(config: PaloConfig, path: Path) -> None:
    """Gives the processor a patch size with which it counts the projector's tokens of an image."""
    side = config.input_image_size // math.isqrt(config.tokens_per_image)
    if (config.input_image_size // side) ** 2 != config.tokens_per_image:
        raise ConfigError(
            "a processor of Hugging Face's can't count this projector's tokens",
            seen=f"{config.tokens_per_image} of an image of {config.input_image_size} pixels",
            fix="Serve it with this platform: python jobs/serve.py FOLDER.",
        )
    storage.write_json(path, storage.read_json(path) | {"patch_size": side})
