"""How large an engine may be: as large as it was asked for, and no larger than memory allows."""

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from palo.errors import ResourceError
from palo.inference.engine import EngineSettings
from palo.machine import GIB

if TYPE_CHECKING:
    from transformers import LlamaConfig

    from palo.model import PaloForConditionalGeneration

_LOG = logging.getLogger(__name__)
# For a step's activations, images on their way, and what else grows.
_RESERVE = 0.15
# Of what is left, the most that the prefix cache may take from the slots.
_PREFIX_SHARE = 0.2
_CGROUP = Path("/sys/fs/cgroup")


def fit_engine(settings: EngineSettings, model: "PaloForConditionalGeneration") -> EngineSettings:
    """Returns settings that fit into what memory a loaded model leaves on its device.

    Args:
        settings: The most of everything.
        model: The model, on its device.

    Raises:
        ResourceError: If there is no room for one conversation.
    """
    on_gpu = model.device.type == "cuda"
    free = torch.cuda.mem_get_info(model.device)[0] if on_gpu else free_memory_bytes()
    if not on_gpu and settings.cpu_kernels:
        free -= sum(one.nbytes for one in model.language_model.parameters())  # their own copy
    return fit_to(settings, model.config.text_config, model.dtype.itemsize, free)


def fit_to(
    settings: EngineSettings, config: "LlamaConfig", item_bytes: int, free_bytes: int
) -> EngineSettings:
    """Returns settings that fit into memory.

    A token takes a key and a value in each layer: 2 x layers x K heads x width numbers.

    Args:
        settings: The most of everything.
        config: Configuration of the language model.
        item_bytes: Bytes of a number.
        free_bytes: Free memory, in bytes.

    Raises:
        ResourceError: If there is no room for one conversation.
    """
    heads, width = config.num_key_value_heads, config.head_dim
    token_bytes = 2 * config.num_hidden_layers * heads * width * item_bytes
    context = min(settings.max_context, int(config.max_position_embeddings))
    room = int(free_bytes * (1 - _RESERVE))
    prefix_bytes = max(0, min(settings.prefix_cache_bytes, int(room * _PREFIX_SHARE)))
    num_slots = min(settings.num_slots, (room - prefix_bytes) // (token_bytes * context))
    if num_slots < 1:
        raise ResourceError(
            "there is no memory for one conversation beside the model",
            seen=f"{free_bytes / GIB:.2f} GiB are free, and one of {context:,} tokens takes "
            f"{token_bytes * context / GIB:.2f} GiB",
            fix="Lower engine.max_context, serve a smaller model, or give the replica more memory.",
        )
    if num_slots < settings.num_slots:
        _LOG.warning(
            "memory holds %d of %d conversations of %d tokens at once; others wait",
            num_slots,
            settings.num_slots,
            context,
        )
    return dataclasses.replace(
        settings,
        num_slots=num_slots,
        prefix_cache_bytes=prefix_bytes,
        # Whoever sends requests counts on as many as were asked for, running or waiting.
        max_waiting=settings.max_waiting + settings.num_slots - num_slots,
    )


def free_memory_bytes(cgroup: Path = _CGROUP) -> int:
    """Returns how much memory this process may still take, in bytes: a container has its own limit.

    Args:
        cgroup: Folder of the control group, of version 2.
    """
    free = int(psutil.virtual_memory().available)
    try:
        most = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        taken = int((cgroup / "memory.current").read_text(encoding="ascii"))
        counts = (cgroup / "memory.stat").read_text(encoding="ascii").split()
    except FileNotFoundError:  # no container, or a control group of version 1
        return free
    # Files that were read count as taken, though the kernel gives their memory to whoever asks.
    named = dict(zip(counts[::2], map(int, counts[1::2]), strict=True))
    taken -= named.get("active_file", 0) + named.get("inactive_file", 0)
    return free if most == "max" else max(0, min(free, int(most) - taken))
