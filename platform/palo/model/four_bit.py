"""A frozen language model in 4 bits: QLoRA (arXiv 2305.14314).

The linear layers of its blocks are kept in NormalFloat4 and made whole, one at a time, as they are
used; embeddings, norms and the output head stay as they are. Sums are made in the model's own type.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from palo.errors import ConfigError

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig


def require_four_bit() -> None:
    """Checks that the library for it is installed.

    Raises:
        ConfigError: If it isn't.
    """
    if find_spec("bitsandbytes") is None:
        raise ConfigError(
            "a base in 4 bits needs bitsandbytes, which isn't installed",
            fix="pip install bitsandbytes, on every machine that trains; or leave base_precision "
            "nf4 out.",
        )


def four_bit_config(dtype: torch.dtype) -> "BitsAndBytesConfig":
    """Returns what transformers needs to read a language model in 4 bits.

    Args:
        dtype: Type in which the layers compute.

    Raises:
        ConfigError: If bitsandbytes isn't installed.
    """
    require_four_bit()
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def whole_shape(parameter: Any) -> torch.Size:  # noqa: ANN401 - a Parameter, or bitsandbytes' kind
    """Returns the shape of a weight before it was divided among workers or packed in 4 bits.

    Args:
        parameter: A parameter.
    """
    packed = getattr(parameter, "quant_state", None)
    if packed is not None:
        shape: torch.Size = packed.shape
        return shape
    # Under ZeRO-3 a scattered parameter has an empty shape; DeepSpeed keeps ds_shape.
    whole: torch.Size = getattr(parameter, "ds_shape", parameter.shape)
    return whole
