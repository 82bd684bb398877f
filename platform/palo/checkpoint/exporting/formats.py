"""The formats that a finished model can be written in, and how an export of each is loaded again.

A new format is one more entry of `FORMATS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from palo.checkpoint.exporting.adapter import adapter_bytes, require_plain_adapter, write_adapter
from palo.checkpoint.exporting.export_settings import DtypeName
from palo.checkpoint.exporting.gguf import gguf_bytes, require_gguf, write_gguf
from palo.checkpoint.exporting.gguf_loading import load_gguf
from palo.checkpoint.exporting.llava import llava_bytes, require_llava, write_llava
from palo.checkpoint.exporting.loading import load_adapter_export, load_llava, load_own_format
from palo.checkpoint.exporting.own_format import own_format_bytes, write_own_format
from palo.checkpoint.exporting.usage import GUIDES, LoadingGuide
from palo.checkpoint.exporting.verify import Loader
from palo.checkpoint.exporting.vllm_files import vllm_faults, write_vllm_files
from palo.checkpoint.finished import StageResult

Wrote = Callable[[int], None]

TORCH_DTYPES: tuple[DtypeName, ...] = ("bfloat16", "float16", "float32")


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A format.

    Attributes:
        require: Raises a ConfigError for a model that it can't express.
        num_bytes: About how much room a model takes.
        write: Writes stage, folder, type, lineage; reports bytes.
        load: Loads an export as something that answers probes.
        usage: What its card says on loading it.
        dtypes: Types that weights can be written in; empty if they stay as they are.
    """

    require: Callable[[StageResult], object]
    num_bytes: Callable[[StageResult, DtypeName], int]
    write: Callable[[StageResult, Path, DtypeName, Mapping[str, Any], Wrote], object]
    load: Loader
    usage: LoadingGuide
    dtypes: tuple[DtypeName, ...] = TORCH_DTYPES


def _torch_dtype(dtype: DtypeName) -> torch.dtype:
    found: torch.dtype = getattr(torch, dtype)
    return found


def _write_own_format(
    stage: StageResult, folder: Path, dtype: DtypeName, lineage: Mapping[str, Any], wrote: Wrote
) -> None:
    write_own_format(stage, folder, _torch_dtype(dtype), lineage=lineage, wrote=wrote)
    if not list(vllm_faults(stage)):
        write_vllm_files(stage, folder, dtype)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "llava": Format(
            require=require_llava,
            num_bytes=lambda stage, dtype: llava_bytes(stage, _torch_dtype(dtype)),
            write=lambda stage, folder, dtype, _, wrote: write_llava(
                stage, folder, _torch_dtype(dtype), wrote=wrote
            ),
            load=load_llava,
            usage=GUIDES["llava"],
        ),
        "palo": Format(
            require=lambda _: None,
            num_bytes=lambda stage, dtype: own_format_bytes(stage, _torch_dtype(dtype)),
            write=_write_own_format,
            load=load_own_format,
            usage=GUIDES["palo"],
        ),
        "adapter": Format(
            require=require_plain_adapter,
            num_bytes=lambda stage, _: adapter_bytes(stage),
            write=lambda stage, folder, _, __, ___: write_adapter(stage, folder),
            load=load_adapter_export,
            usage=GUIDES["adapter"],
            dtypes=(),
        ),
        "gguf": Format(
            require=require_gguf,
            num_bytes=gguf_bytes,
            write=lambda stage, folder, dtype, _, wrote: write_gguf(
                stage, folder, dtype, wrote=wrote
            ),
            load=load_gguf,
            usage=GUIDES["gguf"],
            dtypes=(*TORCH_DTYPES, "q8_0"),
        ),
    }
)
