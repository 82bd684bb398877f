"""PEFT's file of settings beside the weights of an adapter."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from palo import storage
from palo.model.lora import LoraSettings, lora_config


def write_adapter_config(
    path: Path, lora: LoraSettings, new_tokens: Mapping[str, list[int]] | None
) -> None:
    """Has PEFT write adapter_config.json, which it can only do on a disk.

    Args:
        path: The file, on a disk or on S3.
        lora: Sizes of the adapter.
        new_tokens: Ids of tokens whose rows it holds, by table; None for none.
    """
    config = lora_config(lora)
    if new_tokens is not None:
        config.trainable_token_indices = dict(new_tokens)
    if not isinstance(path, storage.S3Path):
        config.save_pretrained(path.parent)
        return
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        storage.copy_file(Path(folder) / path.name, path)
