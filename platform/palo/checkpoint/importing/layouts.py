"""What tensors are called in checkpoints of other projects: tables, read in both directions.

Each pair is (name there, canonical name) up to where both end alike; `{n}` stands for a number.
Canonical names are those of `palo.checkpoint.merged_weights`. Where two pairs fit a name, the first
counts.

Source: the checkpoints that haotian-liu/LLaVA (c121f04), mbzuai-oryx/PALO (cfb2116) and
Meituan-AutoML/MobileVLM (688fdec) write, and transformers 4.37 to 5.23.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeyMap:
    """Names of tensors in one layout, and the canonical ones.

    Attributes:
        title: The layout, for people.
        pairs: (beginning there, canonical beginning).
    """

    title: str
    pairs: _Pairs

    def to_canonical(self, key: str) -> str | None:
        """Returns the canonical name of a tensor; None if the layout has no such tensor.

        Args:
            key: Its name in the layout.
        """
        return _renamed(key, self.pairs)

    def from_canonical(self, name: str) -> str | None:
        """Returns what the layout calls a tensor; None if it has no such tensor.

        Args:
            name: Its canonical name.
        """
        return _renamed(name, tuple((ours, theirs) for theirs, ours in self.pairs))

    def unknown(self, keys: Iterable[str]) -> list[str]:
        """Returns the names that the layout doesn't have.

        Args:
            keys: Names of tensors.
        """
        return [key for key in keys if self.to_canonical(key) is None]


def _renamed(key: str, pairs: _Pairs) -> str | None:
    for source, target in pairs:
        if found := _pattern(source).match(key):
            start = target.replace("{n}", found[1]) if "{n}" in target else target
            return start + key[found.end() :]
    return None


@lru_cache(maxsize=256)
def _pattern(start: str) -> re.Pattern[str]:
    return re.compile(re.escape(start).replace(r"\{n\}", r"(\d+)"))


def _language_model(blocks: str, head: str) -> _Pairs:
    names = ("embed_tokens.", "layers.{n}.", "norm.")
    pairs = tuple((f"{blocks}{name}", f"language_model.model.{name}") for name in names)
    return (*pairs, (f"{head}lm_head.", "language_model.lm_head."))


def _linears(start: str) -> _Pairs:
    return (
        (f"{start}multi_modal_projector.linear_1.", "projector.0."),
        (f"{start}multi_modal_projector.linear_2.", "projector.2."),
    )


_INNER_TOWER = (("model.vision_tower.vision_tower.vision_model.", "vision_tower."),)

LLAVA = KeyMap(
    "LLaVA's layout (LLaVA-1.5, PALO)",
    (
        *_INNER_TOWER,
        ("model.mm_projector.{n}.", "projector.{n}."),
        *_language_model("model.", ""),
    ),
)
MOBILE_VLM = KeyMap(
    "MobileVLM's layout (MobileVLM, MobilePALO)",
    (
        *_INNER_TOWER,
        ("model.mm_projector.model.", "projector."),
        *_language_model("model.", ""),
    ),
)
HF_CLASSIC = KeyMap(
    "Hugging Face Llava, classic names",
    (
        ("vision_tower.vision_model.", "vision_tower."),
        *_linears(""),
        *_language_model("language_model.model.", "language_model."),
    ),
)
HF_PREFIXED = KeyMap(
    "Hugging Face Llava, names of transformers 4.52",
    (
        ("model.vision_tower.vision_model.", "vision_tower."),
        *_linears("model."),
        *_language_model("model.language_model.", ""),
    ),
)
HF_FLAT = KeyMap(
    "Hugging Face Llava, names of transformers 5.10",
    (
        ("model.vision_tower.", "vision_tower."),
        *_linears("model."),
        *_language_model("model.language_model.", ""),
    ),
)
HF_SAVED = KeyMap(
    "Hugging Face Llava, as transformers 5.23 saves a new one",
    (
        ("vision_tower.", "vision_tower."),
        *_linears(""),
        *_language_model("language_model.model.", "language_model."),
    ),
)
COMPLETE_MODELS = (LLAVA, MOBILE_VLM, HF_CLASSIC, HF_PREFIXED, HF_FLAT, HF_SAVED)
"""The layouts of models with a projector; the first that has all names of a checkpoint is its."""

LANGUAGE_MODEL = KeyMap("a language model in Llama's names", _language_model("model.", ""))
NAMED_TOWER = KeyMap("a vision tower", (("vision_model.", "vision_tower."),))
PLAIN_TOWER = KeyMap("a vision tower", (("", "vision_tower."),))
ADAPTER = KeyMap(
    "a LoRA adapter of the plain language model",
    (("base_model.model.model.layers.{n}.", "language_model.model.layers.{n}."),),
)


def closest_layout(keys: Iterable[str]) -> KeyMap:
    """Returns the layout of a model with a projector that has most of some names.

    Args:
        keys: Names of the tensors of a checkpoint.
    """
    names = list(keys)
    return min(COMPLETE_MODELS, key=lambda layout: len(layout.unknown(names)))


def has_projector(keys: Iterable[str]) -> bool:
    """Returns whether there is a projector of any layout among some names.

    Args:
        keys: Names of tensors.
    """
    return any("mm_projector." in key or "multi_modal_projector." in key for key in keys)


def is_needless(key: str) -> bool:
    """Returns whether a checkpoint may hold a tensor that follows from its configuration.

    Args:
        key: Name of the tensor.
    """
    return key.endswith(_NEEDLESS)


_NEEDLESS = (
    "rotary_emb.inv_freq",
    "rotary_emb.cos_cached",
    "rotary_emb.sin_cached",
    "embeddings.position_ids",
)
