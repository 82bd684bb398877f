"""Named, typed runs: functions that return a full configuration."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from palo.recipes import baselines, paper
from palo.recipes.mini import mini
from palo.recipes.nano import nano
from palo.recipes.nano_aligned import nano_aligned
from palo.recipes.nano_fidelity import nano_english, nano_fidelity, nano_text
from palo.recipes.nano_signs import nano_signs
from palo.recipes.recipe import Recipe

RECIPES: Mapping[str, Callable[[], Recipe]] = MappingProxyType(
    {
        "nano": nano,
        "nano-aligned": nano_aligned,
        "nano-english": nano_english,
        "nano-text": nano_text,
        "nano-fidelity": nano_fidelity,
        "nano-signs": nano_signs,
        "mini": mini,
        "mobile-1.7b": paper.mobile_1_7b,
        "7b": paper.palo_7b,
        "13b": paper.palo_13b,
        "mobile-1.7b-scripts": paper.mobile_1_7b_scripts,
        "7b-scripts": paper.palo_7b_scripts,
        "13b-scripts": paper.palo_13b_scripts,
        "llava-7b": baselines.llava_7b,
        "llava-13b": baselines.llava_13b,
        "mobilevlm-1.7b": baselines.mobilevlm_1_7b,
        **{f"7b-only-{code}": partial(paper.palo_7b_only, code) for code in paper.PAPER_LANGUAGES},
        "7b-only-bn-72k": paper.palo_7b_bengali_72k,
    }
)

__all__ = ["RECIPES", "Recipe"]
