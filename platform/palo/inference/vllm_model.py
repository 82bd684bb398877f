"""The model as vLLM runs it: vLLM's own Llava with one of our projectors.

Tower, language model, processor and scheduling are vLLM's. An image takes as many places as the
projector gives tokens. Weights are read where our own format has them. It imports vLLM: only vLLM
loads it, through `palo.inference.vllm_plugin`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from vllm.config import VllmConfig
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader
from vllm.model_executor.models.llava import (
    LlavaDummyInputsBuilder,
    LlavaForConditionalGeneration,
    LlavaMultiModalProcessor,
    LlavaMultiModalProjector,
    LlavaProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from palo.model.projectors import build_projector

_TOWER, _PROJECTOR = "vision_tower.vision_model.", "multi_modal_projector."
_FOLDERS = {"tower.": "tower", "language_model.": "language_model"}
_TOWER_PARTS = ("embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm.")


@dataclass(slots=True)
class _Sizes:
    projector_type: str
    vision_hidden_size: int
    text_hidden_size: int


class PaloProcessingInfo(LlavaProcessingInfo):
    """Tells vLLM how many places an image takes."""

    def get_num_image_tokens(self, *, image_width: int, image_height: int) -> int:
        """Returns the projector's tokens of one image, which is always scaled to one size.

        Args:
            image_width: Ignored.
            image_height: Ignored.
        """
        num_tokens: int = self.get_hf_config().image_seq_length
        return num_tokens


@MULTIMODAL_REGISTRY.register_processor(
    LlavaMultiModalProcessor, info=PaloProcessingInfo, dummy_inputs=LlavaDummyInputsBuilder
)
class PaloVllmModel(LlavaForConditionalGeneration):
    """A finished model of ours in vLLM.

    Args:
        vllm_config: vLLM's configuration; the model's is that of a Llava with `projector_type`.
        prefix: Prefix of the model's names in vLLM.
    """

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        # vLLM leaves a placeholder where images are switched off.
        projector: object = getattr(self, "multi_modal_projector", None)
        if isinstance(projector, LlavaMultiModalProjector):
            self.multi_modal_projector = build_projector(
                _Sizes(
                    self.config.projector_type,
                    self.config.vision_config.hidden_size,
                    self.config.text_config.hidden_size,
                )
            )
        model = vllm_config.model_config
        self.secondary_weights = [
            DefaultModelLoader.Source(
                str(Path(model.model) / folder), model.revision, prefix=names, fall_back_to_pt=False
            )
            for names, folder in _FOLDERS.items()
        ]

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Loads the weights of a folder of our own format.

        Args:
            weights: Those of projector.safetensors by their own names, those of tower and language
                model after `tower.` and `language_model.`.

        Returns:
            Names of what was loaded.
        """
        loaded: set[str] = super().load_weights(_renamed(weights))
        return loaded


def _renamed(weights: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for name, weight in weights:
        if name.startswith("language_model."):
            yield name, weight
        elif name.startswith("tower."):
            own = name.removeprefix("tower.").removeprefix("vision_model.")
            # The folder of a whole CLIP has its text half, too.
            if own.startswith(_TOWER_PARTS) and not own.endswith("position_ids"):
                yield f"{_TOWER}{own}", weight
        else:
            yield f"{_PROJECTOR}{name}", weight
