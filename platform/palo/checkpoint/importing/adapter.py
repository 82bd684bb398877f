"""LLaVA's LoRA adapters: for the plain language model there, for the whole model here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo.checkpoint.importing.layouts import ADAPTER
from palo.checkpoint.importing.places import TensorPlace
from palo.checkpoint.importing.recognise import Foreign, canonical
from palo.errors import MismatchError
from palo.model.folder_guard import read_adapter_config
from palo.model.lora import LoraSettings, adapter_scale, lora_config

_PREFIX = "base_model.model."
_KINDS = 7
_SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterPlan:
    """An adapter that is to be written.

    Attributes:
        folder: Where it is now.
        places: Where its matrices lie, by canonical name of the model's module.
        settings: Sizes and strength.
    """

    folder: Path
    places: Mapping[str, TensorPlace]
    settings: LoraSettings

    @property
    def tensors(self) -> dict[str, TensorPlace]:
        """The places by the names that PEFT gives them in a model of ours."""
        return {_PREFIX + name: place for name, place in self.places.items()}

    def require_base(
        self, places: Mapping[str, TensorPlace], config: Mapping[str, Any], base: Foreign
    ) -> None:
        """Checks that a language model is the one that the adapter was trained on.

        Args:
            places: The model's places by canonical name.
            config: Values of the adapter's config.json.
            base: The base, for names and sizes.

        Raises:
            MismatchError: If sizes differ.
        """
        inner = base.config.get("text_config")
        values = inner if isinstance(inner, Mapping) else base.config
        faults = [
            f"{name} {values[name]}, not {config[name]}"
            for name in _SIZES
            if name in config and name in values and values[name] != config[name]
        ]
        for name, place in self.places.items():
            weight = places.get(f"{name.partition('.lora_')[0]}.weight")
            side = 1 if ".lora_A." in name else 0
            if weight is None:
                faults.append(f"no weight for {name}")
            elif len(place.shape) != 2 or place.shape[1 - side] != self.settings.rank:
                faults.append(f"{name} is {place.shape}, of rank {self.settings.rank}")
            elif place.shape[side] != weight.shape[side]:
                faults.append(f"{name} is {place.shape}, for a weight of {weight.shape}")
        if faults:
            raise MismatchError(
                f"the adapter {self.folder} is for another base than {base.path}",
                seen=f"{len(faults):,} faults: {'; '.join(faults[:_MOST_NAMED])}",
                fix="Give the language model that it was trained on with --base.",
            )

    def write_config(self, folder: Path) -> None:
        """Writes adapter_config.json.

        Args:
            folder: Folder of the adapter.
        """
        config = lora_config(self.settings)
        modules = sorted({name.partition(".lora_")[0] for name in self.places})
        layers = {name.split(".")[3] for name in modules}
        if len(modules) != _KINDS * len(layers):  # it has not all of them: name those that it has
            config.target_modules = set(modules)
        config.save_pretrained(str(folder))


def plan_adapter(source: Foreign) -> AdapterPlan:
    """Plans the import of an adapter.

    Args:
        source: The folder of the adapter.

    Raises:
        MismatchError: If it is more than plain LoRA, or changes other weights than those of blocks.
        StorageError: If adapter_config.json can't be read.
    """
    shapes = {name: place.shape for name, place in source.places.items()}
    config = read_adapter_config(source.path, shapes)
    # PEFT's other way of scaling is the usual one with another alpha.
    alpha = adapter_scale(config, source.path) * config["r"]
    places = canonical(source.places, ADAPTER, source.path)
    odd = [name for name in places if not name.endswith((".lora_A.weight", ".lora_B.weight"))]
    single = [name for name in places if _other(name) not in places]
    if odd or single:
        raise MismatchError(
            f"the adapter {source.path} is no pair of matrices for each weight",
            seen=", ".join((odd or single)[:_MOST_NAMED]),
            fix="Merge it into its model instead, where it was trained.",
        )
    return AdapterPlan(
        folder=source.path,
        places=places,
        settings=LoraSettings(
            rank=config["r"],
            alpha=alpha,
            dropout=float(config.get("lora_dropout") or 0.0),
        ),
    )


def _other(name: str) -> str:
    down, up = ".lora_A.", ".lora_B."
    return name.replace(down, up) if down in name else name.replace(up, down)
