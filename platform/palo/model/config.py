"""The configuration of a PALO model: a vision tower, a projector and a language model.

Shapes that this package's docstrings use:
    N: images of a batch            P: patches of one image        T: tokens of one projected image
    B: rows of a batch              L: tokens of one row           S: samples packed into one row
    D: width of the vision tower    H: width of the language model
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from palo.errors import ConfigError
from palo.model.backbones import BACKBONES
from palo.model.projectors import projector_kind

# CLIP ViT-L/14 at 336 pixels, the tower of the paper's models.
_DEFAULT_TOWER = {
    "hidden_size": 1024,
    "image_size": 336,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
    "projection_dim": 768,
}
_TOWER_FIELDS = ("hidden_size", "image_size", "num_hidden_layers", "patch_size")


@strict
class PaloConfig(PreTrainedConfig):
    """What a PALO model is made of.

    Attributes:
        text_config: The language model, one of `palo.model.backbones`.
        vision_config: Any Hugging Face vision model with hidden_states; CLIP ViT-L/14-336 if None.
        projector_type: `mlpNx_gelu` with a depth N, or `ldp`.
        image_size: Side of the square images in pixels; None for the tower's own. Another size
            needs a tower that interpolates its position embeddings.
        vision_feature_layer: Which of the tower's hidden states is the feature; 0 is what enters
            the first layer, -1 what leaves the last one.
        vision_feature_select: `patch` keeps the patches and drops the class and register tokens.
        image_sentinel: The id that stands for a token of an image in a row of ids.
    """

    model_type: ClassVar[str] = "palo"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
        "vision_config": SubConfigSpec(
            config_class=AutoConfig, model_type="clip_vision_model", init_kwargs=_DEFAULT_TOWER
        ),
    }

    # A configuration, the values of one, or None for the default; a configuration afterwards.
    text_config: Any = None
    vision_config: Any = None
    projector_type: str = "mlp2x_gelu"
    image_size: int | None = None
    vision_feature_layer: int = -2
    vision_feature_select: str = "patch"
    image_sentinel: int = -200
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - whatever config.json holds
        """Builds the two inner configurations and checks that the parts fit.

        Raises:
            ConfigError: If the tower lacks a field, or a layer, size or projector doesn't fit it.
        """
        super().__post_init__(**kwargs)
        faults = list(self._faults())
        if faults:
            raise ConfigError(
                "the parts of this PALO model don't fit",
                seen="; ".join(faults),
                fix="Change them in its config.json or in the recipe.",
            )

    def _faults(self) -> Iterator[str]:
        if self.text_config.model_type not in BACKBONES:
            yield f"a language model of model_type {self.text_config.model_type}"
        missing = [name for name in _TOWER_FIELDS if not getattr(self.vision_config, name, None)]
        if missing:
            yield f"the tower's configuration has no {', '.join(missing)}"
            return
        num_layers = self.vision_config.num_hidden_layers
        if not -num_layers - 1 <= self.vision_feature_layer <= num_layers:
            yield f"vision_feature_layer {self.vision_feature_layer} of {num_layers} layers"
        if self.vision_feature_select != "patch":
            yield f"vision_feature_select {self.vision_feature_select!r}, which must be 'patch'"
        if self.input_image_size % _side(self.vision_config.patch_size):
            yield f"image_size {self.input_image_size} is not a multiple of the patch size"
        try:
            projector_kind(self.projector_type).tokens_per_image(self.num_patches)
        except ValueError as error:
            yield str(error)

    @property
    def input_image_size(self) -> int:
        """Side in pixels of the images that the tower gets."""
        return self.image_size or _side(self.vision_config.image_size)

    @property
    def num_patches(self) -> int:
        """Patches of one image (P), without class or register tokens."""
        return (self.input_image_size // _side(self.vision_config.patch_size)) ** 2

    @property
    def tokens_per_image(self) -> int:
        """Places that one image takes in the language model's row (T)."""
        return projector_kind(self.projector_type).tokens_per_image(self.num_patches)

    @property
    def vision_hidden_size(self) -> int:
        """Width of the tower's features (D)."""
        return int(self.vision_config.hidden_size)

    @property
    def text_hidden_size(self) -> int:
        """Width of the language model (H)."""
        return int(self.text_config.hidden_size)

    @property
    def feature_layer_index(self) -> int:
        """Layers of the tower that run before the feature is taken."""
        layer = self.vision_feature_layer
        return layer if layer >= 0 else self.vision_config.num_hidden_layers + 1 + layer


def _side(size: int | list[int] | tuple[int, ...]) -> int:
    """Returns the side of a square that a configuration gives as a number or as a pair."""
    return int(size) if isinstance(size, int) else int(size[0])
