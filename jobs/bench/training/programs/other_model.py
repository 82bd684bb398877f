"""Transformers' own LLaVA with LoRA, of the size of our model, that learns from stored features.

It is what the other trainers train, in whatever environment they are installed: it needs torch,
transformers and PEFT, and nothing of ours.
"""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import LlavaConfig, LlavaForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling

_TARGETS = (
    r"model\.language_model\.layers\.\d+\."
    r"(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
)
_LEARNS = ("lora_", "multi_modal_projector")


class StoredFeatures(nn.Module):
    """Stands for the vision tower: what comes in as pixels are its features already."""

    def forward(self, pixel_values: torch.Tensor, **ignored: object) -> BaseModelOutputWithPooling:
        """Returns the features as the only hidden state.

        Args:
            pixel_values: (N, P, D) floats.
            **ignored: What LLaVA hands to every tower.
        """
        return BaseModelOutputWithPooling(hidden_states=(pixel_values,))


def other_model(config: LlavaConfig, rank: int, alpha: float) -> Any:  # noqa: ANN401 - PEFT's wrapper
    """Builds the model in float32, with LoRA matrices and the projector to be trained.

    Args:
        config: Shapes of the model; the tower's are read for the width of features alone.
        rank: Inner width of the LoRA matrices.
        alpha: Their strength.
    """
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower = StoredFeatures()
    _always_project(model.model, config.vision_config.hidden_size)
    lora = LoraConfig(r=rank, lora_alpha=alpha, target_modules=_TARGETS, task_type="CAUSAL_LM")
    wrapped = get_peft_model(model, lora, autocast_adapter_dtype=False)
    for name, parameter in wrapped.named_parameters():
        parameter.requires_grad_(any(part in name for part in _LEARNS))
    return wrapped


def _always_project(model: Any, width: int) -> None:  # noqa: ANN401 - a LlavaModel
    """Has the projector run for a batch without images, as LLaVA's own code does.

    Its part in the loss is zero then. Without it the collectives of workers whose batches have
    images would wait for those whose batches have none.
    """
    with_images = model.forward

    def forward(
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        inputs_embeds: None = None,
        **values: object,
    ) -> object:
        if pixel_values is not None:
            return with_images(input_ids=input_ids, pixel_values=pixel_values, **values)
        # Each module as for a batch with images, one after the other: ZeRO-3 has recorded their
        # order, and a worker that meets another one gathers other weights than the rest expect.
        words = model.get_input_embeddings()(input_ids)
        zeros = torch.zeros(1, 1, width, device=input_ids.device)
        nothing = model.get_image_features(pixel_values=zeros).pooler_output[0].sum()
        return with_images(inputs_embeds=words + 0 * nothing, **values)

    # Not in a hook: it would run before DeepSpeed has noted that the model itself begins.
    model.forward = forward


def read_config(folder: Path) -> LlavaConfig:
    """Reads the model's shapes.

    Args:
        folder: Folder with its config.json.
    """
    return LlavaConfig.from_pretrained(folder)
