"""Packs with LLaMA-Factory, in its own environment: `python isolation_llama_factory.py SEED`."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

# Started as a script, it finds its neighbours in the benches' folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from training.programs.isolation_measure import Sample, samples, tell, tiny_model
from transformers import PreTrainedTokenizerFast

_EMPTY = ("_system", "_tools", "_images", "_videos", "_audios")


def main() -> None:
    """Packs with neat_packing, which masks neighbours, and without."""
    seed = int(sys.argv[1])
    _do_without_sounds()
    alone = samples(seed)
    for attention in ("sdpa", "eager"):
        model = tiny_model(seed, attention)
        rows = _packed(alone, model, attention, neat=True)
        tell(f"llama_factory_neat_packing_{attention}", model, alone, rows)
    model = tiny_model(seed, "sdpa")
    tell("llama_factory_packing", model, alone, _packed(alone, model, "sdpa", neat=False))


def _do_without_sounds() -> None:
    """Stands in for torchaudio, which LLaMA-Factory imports and which not every torch has."""
    sounds = ModuleType("torchaudio")
    sounds.__spec__ = ModuleSpec("torchaudio", None)
    sys.modules["torchaudio"] = sounds


def _packed(
    alone: list[Sample],
    model: Any,  # noqa: ANN401 - a LlamaForCausalLM
    attention: str,
    *,
    neat: bool,
) -> list[dict[str, Any]]:
    """Packs samples with LLaMA-Factory's own processor and collator.

    Args:
        alone: The samples.
        model: The model that they are for.
        attention: Its attention implementation.
        neat: Whether neighbours are masked.

    Returns:
        The model's arguments for each row.
    """
    from llamafactory.data.collator import SFTDataCollatorWith4DAttentionMask
    from llamafactory.data.processor.supervised import PackedSupervisedDatasetProcessor
    from llamafactory.data.template import TEMPLATES

    class Encoded(PackedSupervisedDatasetProcessor):  # type: ignore[misc]
        def _encode_data_example(self, **example: Any) -> Sample:  # noqa: ANN401
            ((ids, labels),) = example["response"]
            return list(ids), list(labels)

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"<pad>": 0})))
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    template = TEMPLATES["default"]
    room = sum(len(ids) for ids, _ in alone)
    settings = SimpleNamespace(cutoff_len=room, neat_packing=neat)
    examples: dict[str, list[Any]] = {name: [None] * len(alone) for name in _EMPTY}
    examples["_prompt"] = [[number] for number in range(len(alone))]
    examples["_response"] = [[sample] for sample in alone]
    packed = Encoded(template, tokenizer, None, settings).preprocess_dataset(examples)
    collator = SFTDataCollatorWith4DAttentionMask(
        tokenizer=tokenizer,
        model=model,
        template=template,
        block_diag_attn=neat,
        neat_packing=neat,
        attn_implementation=attention,
    )
    rows = [dict(zip(packed, values, strict=True)) for values in zip(*packed.values(), strict=True)]
    return [collator([row]) for row in rows]


if __name__ == "__main__":
    main()
