"""The model: vision tower, projector and language model, spliced at the image sentinels."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    GenerationMixin,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from palo.model import attention
from palo.model.backbones import BACKBONES, language_model_class
from palo.model.config import PaloConfig
from palo.model.projectors import build_projector, reset_module
from palo.model.splice import splice
from palo.model.tower import VisionTower


class PaloForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """A multilingual vision-language model that answers in words about an image.

    Args:
        config: What it is made of.

    Source: PALO (arXiv 2402.14818), section 3.
    """

    config_class = PaloConfig
    config: PaloConfig
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[list[str]] = [
        backbone.block.rpartition(".")[2] for backbone in BACKBONES.values()
    ]
    _skip_keys_device_placement: ClassVar[list[str]] = ["past_key_values"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: PaloConfig) -> None:
        super().__init__(config)
        if config.text_config._attn_implementation is None:
            config.text_config._attn_implementation = attention.NAME
        self.vision_tower = VisionTower(config)
        self.projector = build_projector(config)
        self.language_model = language_model_class(config.text_config)(config.text_config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        reset_module(module)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixels: Tensor | None = None,
        features: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,  # noqa: ANN401 - a transformers Cache
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        targets: Tensor | None = None,
        cu_seq_lens_q: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,  # noqa: ANN401 - what generation and PEFT hand to every model
    ) -> CausalLMOutputWithPast:
        """Runs embedding, projector and language model, always in this order.

        Args:
            input_ids: (B, L) int64 token ids; the sentinel at each of the T places of an image.
            pixels: (N, 3, rows, columns) floats, images in order of appearance.
            features: (N, P, D) floats in place of `pixels`: what the vision tower gives.
            attention_mask: (B, L) 1 for tokens and 0 for padding; None for packed rows.
            position_ids: (B, L) int64; they restart at 0 with each sample of a packed row.
            past_key_values: Cache of the tokens before these.
            inputs_embeds: (B, L, H) floats from `embed`, in place of ids and images.
            labels: (B, L) int64 with -100 where nothing is learned; the loss is the mean over the
                others, each predicted by the position before it.
            logits_to_keep: How many last positions get logits (0: all), or (K,) int64 positions.
            targets: (K,) int64 ids for the K positions of `logits_to_keep` (B = 1): the loss is the
                sum of their cross-entropies and no logits are returned. The output head must be a
                `LossHead`.
            cu_seq_lens_q: (S+1,) int32 for a packed row (B = 1): 0 and the running total of the
                samples' lengths.
            use_cache: Whether to return a cache; by default only if one was given.
            **kwargs: Passed on to the language model.

        Returns:
            Logits (B, L or K, vocabulary), the loss if there are labels, the cache.

        Raises:
            ValueError: If both or neither of ids and embeddings are given, labels come with
                `logits_to_keep`, or a packed row comes with padding or without positions.
        """
        if labels is not None and not (isinstance(logits_to_keep, int) and logits_to_keep == 0):
            raise ValueError("labels need the logits of every position: leave logits_to_keep at 0")
        if inputs_embeds is None and input_ids is not None:
            resumes = past_key_values is not None and past_key_values.get_seq_length() > 0
            inputs_embeds = self.embed(input_ids, pixels, features, decoding=resumes)
        elif inputs_embeds is None or input_ids is not None:
            raise ValueError("give either input_ids or inputs_embeds")
        if cu_seq_lens_q is not None:
            if attention_mask is not None or position_ids is None:
                raise ValueError("a packed row needs position_ids and takes no attention_mask")
            implementation = self.config.text_config._attn_implementation
            device = inputs_embeds.device
            kwargs |= attention.packing_arguments(cu_seq_lens_q, implementation, device)
        kwargs |= {"inputs_embeds": inputs_embeds, "position_ids": position_ids}
        kwargs["attention_mask"] = attention_mask
        if targets is not None:
            hidden = self.language_model.model(use_cache=False, **kwargs).last_hidden_state
            loss = self.language_model.lm_head(hidden[0, logits_to_keep], targets)
            return CausalLMOutputWithPast(loss=loss)
        return self.language_model(
            past_key_values=past_key_values,
            labels=labels,
            logits_to_keep=logits_to_keep,
            use_cache=past_key_values is not None if use_cache is None else use_cache,
            **kwargs,
        )

    def embed(
        self,
        input_ids: Tensor,
        pixels: Tensor | None = None,
        features: Tensor | None = None,
        *,
        decoding: bool = False,
    ) -> Tensor:
        """Returns the embeddings of a row's tokens, the images in their places.

        Without an image a zero feature goes through the projector and is dropped: under ZeRO-3
        every rank must run the same modules in the same order, or the collectives hang. A rank
        whose batch has no image passes `pixels` with N = 0 where the other ranks pass pixels.

        Args:
            input_ids: (B, L) int64 token ids; the sentinel at each of the T places of an image.
            pixels: (N, 3, rows, columns) floats, or None.
            features: (N, P, D) floats, or None.
            decoding: Whether these tokens continue a cache: then no image can be among them,
                and the projector doesn't run.

        Returns:
            (B, L, H) floats.

        Raises:
            ValueError: If pixels and features are both given, or the images don't fit the
                sentinels.
        """
        if pixels is not None and features is not None:
            raise ValueError("give either pixels or features")
        image_mask = input_ids == self.config.image_sentinel
        text_embeds: Tensor = self.get_input_embeddings()(input_ids.masked_fill(image_mask, 0))
        if decoding:
            return text_embeds
        if pixels is not None:
            has_images = len(pixels) > 0
            shown = pixels if has_images else pixels.new_zeros((1, *pixels.shape[1:]))
            features = self.vision_tower(shown)
        else:
            has_images = features is not None and len(features) > 0
            if features is None or not has_images:
                shape = (1, self.config.num_patches, self.config.vision_hidden_size)
                features = text_embeds.new_zeros(shape)
        image_embeds = self.projector(features.to(text_embeds.device, text_embeds.dtype))
        return splice(text_embeds, image_mask, image_embeds if has_images else image_embeds[:0])

    def generate(
        self,
        input_ids: Tensor,
        pixels: Tensor | None = None,
        features: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,  # noqa: ANN401 - transformers' generation arguments
    ) -> Any:  # noqa: ANN401 - a tensor or a generation output
        """Continues prompts, from pixels or from stored features.

        Args:
            input_ids: (B, L) int64 token ids, padded on the left; the sentinel at each of the T
                places of an image.
            pixels: (N, 3, rows, columns) floats, or None.
            features: (N, P, D) floats, or None.
            attention_mask: (B, L) 1 for tokens and 0 for padding; by default all ones.
            **kwargs: Arguments of transformers' `generate`.

        Returns:
            (B, L + new) int64: the prompts with the padding id in the places of images, so that
            every id can be decoded, and the new tokens.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        with torch.no_grad():
            embeds = self.embed(input_ids, pixels, features)
        stand_in = self.config.text_config.pad_token_id or 0
        return super().generate(
            input_ids=input_ids.masked_fill(input_ids == self.config.image_sentinel, stand_in),
            inputs_embeds=embeds,
            attention_mask=attention_mask,
            **kwargs,
        )

    def get_input_embeddings(self) -> nn.Module:
        """Returns the language model's token embedding."""
        embedding: nn.Module = self.language_model.get_input_embeddings()
        return embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the language model's token embedding.

        Args:
            value: The module.
        """
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """Returns the language model's output head."""
        head: nn.Module = self.language_model.get_output_embeddings()
        return head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Replaces the language model's output head.

        Args:
            new_embeddings: The module.
        """
        self.language_model.set_output_embeddings(new_embeddings)

    def enable_input_require_grads(self) -> None:
        """Lets gradients start at the language model's embeddings, never in the frozen tower."""
        self.language_model.enable_input_require_grads()

    def disable_input_require_grads(self) -> None:
        """Undoes `enable_input_require_grads`."""
        self.language_model.disable_input_require_grads()

    def _set_gradient_checkpointing(
        self,
        enable: bool = True,
        gradient_checkpointing_func: Callable[..., Any] = torch.utils.checkpoint.checkpoint,
        every_n_layers: int = 1,
    ) -> None:
        # Only the language model: the tower runs without gradients, and hooks would draw it in.
        self.language_model._set_gradient_checkpointing(
            enable, gradient_checkpointing_func, every_n_layers
        )


def register() -> None:
    """Makes PALO's classes known to transformers' Auto classes."""
    AutoConfig.register(PaloConfig.model_type, PaloConfig, exist_ok=True)
    AutoModelForImageTextToText.register(PaloConfig, PaloForConditionalGeneration, exist_ok=True)


register()
