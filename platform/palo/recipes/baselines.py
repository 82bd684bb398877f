"""The models that the paper compares with, as their authors trained them: LLaVA-1.5, MobileVLM.

Table 1's LLaVA rows have the English scores of the LoRA checkpoints of LLaVA-1.5's model list, so
those are trained here: finetune_lora.sh after pretrain.sh, on LCS-558K and the mix of 665,298.
MobileVLM is run_v1.sh: the whole language model at 2e-5 under ZeRO-2, on the same data.
"""

from dataclasses import replace
from pathlib import Path

from palo.corpus.filter.mixture import EVERYTHING
from palo.recipes.paper import mobile_1_7b_scripts, palo_7b_scripts, palo_13b_scripts
from palo.recipes.recipe import Recipe

_CAPTIONS, _INSTRUCTIONS, _IMAGES = 558_128, 665_298, 330_000


def llava_7b() -> Recipe:
    """LLaVA-1.5 7B with LoRA: LCS-558K at 1e-3, cropped; rank 128 and alpha 256, padded."""
    return _on_llava_data(palo_7b_scripts(), "llava-7b")


def llava_13b() -> Recipe:
    """LLaVA-1.5 13B with LoRA, otherwise as the 7B one."""
    return _on_llava_data(palo_13b_scripts(), "llava-13b")


def mobilevlm_1_7b() -> Recipe:
    """MobileVLM 1.7B: the projector at 1e-3, then the whole language model at 2e-5, ZeRO-2."""
    return _on_llava_data(mobile_1_7b_scripts(), "mobilevlm-1.7b")


def _on_llava_data(recipe: Recipe, name: str) -> Recipe:
    """The authors' scripts share all settings with PALO's but the data, which is in English."""
    data = Path("data")
    captions = data / "LLaVA-Pretrain"
    return replace(
        recipe,
        output=recipe.output.with_name(name),
        data=replace(
            recipe.data,
            captions=captions / "blip_laion_cc_sbu_558k.json",
            captions_images=captions / "images",
            instructions=data / "llava_v1_5_mix665k.json",
            language="en",
            mixture=EVERYTHING,
            expected_captions=_CAPTIONS,
            expected_instructions=_INSTRUCTIONS,
            expected_images=_IMAGES,
        ),
    )
