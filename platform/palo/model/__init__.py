"""The model: vision tower, projectors, splice, and PaloForConditionalGeneration.

Settings such as `palo.model.lora.LoraSettings` are read where no torch is wanted, so the heavy
classes are imported when they are first asked for; that also makes transformers know them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palo.model.config import PaloConfig
    from palo.model.palo import PaloForConditionalGeneration

__all__ = ["PaloConfig", "PaloForConditionalGeneration"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("palo.model.palo"), name)
