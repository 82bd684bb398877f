"""What is exported, and how."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FormatName = Literal["llava", "palo", "adapter", "gguf"]
DtypeName = Literal["bfloat16", "float16", "float32", "q8_0"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSettings:
    """What is exported, and how.

    Attributes:
        model: Folder of a run or of a finished stage.
        to: llava: for transformers, vLLM and what else reads Hugging Face's Llava. palo: our own
            format, merged, with all parts inside. adapter: a PEFT adapter and the projector. gguf:
            for llama.cpp.
        output: Folder to write.
        dtype: Type of the weights; q8_0, blocks of 8 bits, for GGUF alone. An adapter's stay as
            they were trained.
        verify: Whether the export is loaded and compared with the model before it appears.
        force: Whether a folder that holds something else may be replaced.
    """

    model: Path
    to: FormatName = "llava"
    output: Path
    dtype: DtypeName = "bfloat16"
    verify: bool = True
    force: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is wrong."""
        if self.output.name in ("", ".."):
            yield f"output is {self.output}, which is no folder of its own"
