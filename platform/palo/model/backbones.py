"""The architectures of language models that a PALO can be built on, and what each supports.

Another one is an entry of `BACKBONES`, with the parity tests, which run over all of them. The
classes are transformers' own: embedding, blocks, norms and output head are never written again.
What they must have in common is the names of Llama's linear layers, which LoRA, the engine and
exports use.

It imports no torch: a command line is judged by it before anything heavy is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from palo.errors import ConfigError, MismatchError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Feature = Literal["export to llava", "vllm serve", "replica.backend vllm", "export to gguf"]
"""What depends on a backbone; training, evaluation, the engine and other exports take all."""

_NOT_TRIED = "vLLM has this architecture, but not with our plugin or prompts, as far as was tried"


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """An architecture of language models.

    Attributes:
        title: Its name.
        model_type: transformers' name of it in a config.json.
        causal_lm: transformers' class of the whole language model.
        block: Path of transformers' class of one layer.
        template: The conversation template of its own instruction models.
        needs: Values that its configuration must have, by name; a model with others computes what
            this platform doesn't.
        lacks: Why a feature is not supported, by feature.
        norms: Norms of the hidden size in a block.
        normed_heads: Whether queries and keys are normalized, head by head.
        engine: What of the engine computes it on a CPU in float32, in words.
        planner: What the planner counts otherwise than it is, in words; empty for nothing.
    """

    title: str
    model_type: str
    causal_lm: str
    block: str
    template: str
    needs: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    lacks: Mapping[Feature, str] = field(default_factory=lambda: MappingProxyType({}))
    norms: int = 2
    normed_heads: bool = False
    engine: str = "own kernels"
    planner: str = ""

    def require(self, feature: Feature, fix: str) -> None:
        """Rejects a wish that this backbone can't fulfil.

        Args:
            feature: What is wished for.
            fix: What to do instead.

        Raises:
            ConfigError: If it is among those that it lacks.
        """
        if feature in self.lacks:
            raise ConfigError(
                f"no {feature} for language models of {self.title}: {self.lacks[feature]}",
                seen=f"model_type {self.model_type}",
                fix=fix,
            )


_LACKS_OF_OTHERS: Mapping[Feature, str] = MappingProxyType(
    {
        "vllm serve": _NOT_TRIED,
        "replica.backend vllm": _NOT_TRIED,
        "export to gguf": "only llama.cpp's architecture `llama` is written",
    }
)
_LLAMA = Backbone(
    title="Llama",
    model_type="llama",
    causal_lm="LlamaForCausalLM",
    block="transformers.models.llama.modeling_llama.LlamaDecoderLayer",
    template="vicuna_v1",
)
_QWEN3 = Backbone(
    title="Qwen3",
    model_type="qwen3",
    causal_lm="Qwen3ForCausalLM",
    block="transformers.models.qwen3.modeling_qwen3.Qwen3DecoderLayer",
    template="qwen3",
    lacks=_LACKS_OF_OTHERS,
    normed_heads=True,
    engine="own kernels; norms of queries and keys by PyTorch",
)
_GEMMA3 = Backbone(
    title="Gemma 3",
    model_type="gemma3_text",
    causal_lm="Gemma3ForCausalLM",
    block="transformers.models.gemma3.modeling_gemma3.Gemma3DecoderLayer",
    template="gemma",
    needs=MappingProxyType(
        {
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "use_bidirectional_attention": False,
        }
    ),
    lacks=_LACKS_OF_OTHERS,
    norms=4,
    normed_heads=True,
    engine="own kernels; GeGLU, norms of queries and keys, and attention in windows by PyTorch",
    planner="attention in windows counts as whole",
)

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {one.model_type: one for one in (_LLAMA, _QWEN3, _GEMMA3)}
)
"""All backbones by model_type."""

TEXT_HALVES: Mapping[str, Backbone] = MappingProxyType({"gemma3": _GEMMA3})
"""Backbones of the text halves of models that see, by these models' model_type."""


def backbone_of(config: "PreTrainedConfig") -> Backbone:
    """Returns the backbone of a language model that was accepted before.

    Args:
        config: The language model's configuration.
    """
    return BACKBONES[config.model_type]


def text_half(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a configuration's text half where it is of a model that sees, else all of it.

    Args:
        values: The values of a config.json.
    """
    kind = values.get("model_type")
    backbone = TEXT_HALVES.get(kind) if isinstance(kind, str) else None
    if backbone is None:
        return values
    inner = values.get("text_config")
    own = dict(inner) if isinstance(inner, Mapping) else {}
    return own | {"architectures": [backbone.causal_lm], "model_type": backbone.model_type}


def require_backbone(values: Mapping[str, Any], folder: Path) -> Backbone:
    """Returns the backbone of a folder's language model.

    Args:
        values: The values of its config.json.
        folder: The folder, for the message.

    Raises:
        MismatchError: If it is of no architecture that is known here, or of an unusual kind of one.
    """
    kind = values.get("model_type")
    backbone = BACKBONES.get(kind) if isinstance(kind, str) else None
    if backbone is None:
        known = ", ".join((*BACKBONES, *TEXT_HALVES))
        raise MismatchError(
            f"{folder} holds no language model of a known architecture",
            seen=f"model_type {kind!s:.80}",
            fix=f"Choose a model whose config.json has model_type {known}.",
        )
    unusual = {
        name: values[name]
        for name, needed in backbone.needs.items()
        if values.get(name, needed) not in (needed, None)
    }
    if unusual:
        raise MismatchError(
            f"{folder} holds an unusual language model of {backbone.title}, which isn't supported",
            seen=", ".join(f"{name} {value}" for name, value in unusual.items()),
            fix="Choose one of the released text models.",
        )
    return backbone


def language_model_class(config: "PreTrainedConfig") -> Any:  # noqa: ANN401 - a class of transformers
    """Returns transformers' class of a language model.

    Args:
        config: The language model's configuration.
    """
    import transformers

    return getattr(transformers, backbone_of(config).causal_lm)
