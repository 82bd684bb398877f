"""What a model card says on loading an export: code that tests run as it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadingGuide:
    """How an export is loaded.

    Attributes:
        library: Name of the library that loads it, as model hubs know it; empty for none.
        sections: Title, language of the code, and code with FOLDER and BASE to be filled in.
        notes: What else there is to know.
    """

    library: str
    sections: Sequence[tuple[str, str, str]]
    notes: Sequence[str] = ()


_TRANSFORMERS = """
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

processor = AutoProcessor.from_pretrained("FOLDER")
model = LlavaForConditionalGeneration.from_pretrained("FOLDER", dtype="auto")
content = [{"type": "image"}, {"type": "text", "text": "What is in this image?"}]
prompt = processor.apply_chat_template(
    [{"role": "user", "content": content}], add_generation_prompt=True
)
inputs = processor(images=Image.open("IMAGE.png"), text=prompt, return_tensors="pt")
inputs = inputs.to(dtype=model.dtype)
ids = model.generate(**inputs, max_new_tokens=64, do_sample=False)
print(processor.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
"""
_VLLM = """
vllm serve FOLDER
"""
_LLAMA_CPP = """
llama-server -m FOLDER/model.gguf --mmproj FOLDER/mmproj.gguf
"""
_PALO = """
python jobs/serve.py FOLDER
"""
_PEFT = """
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("BASE")
model = PeftModel.from_pretrained(base, "FOLDER")
"""

GUIDES: Mapping[str, LoadingGuide] = MappingProxyType(
    {
        "llava": LoadingGuide(
            library="transformers",
            sections=(
                ("transformers 4.57 or 5", "python", _TRANSFORMERS),
                ("vLLM", "bash", _VLLM),
            ),
            notes=(
                "Prompts come from the chat template, which writes the first token, too: the "
                "tokenizer adds none. `<image>` and the ends of turns are control tokens wherever "
                "a text holds them; the platform itself takes them for words.",
                "Images are preprocessed as in training, to the last bit with the Pillow backend "
                "of transformers; its torchvision backend resizes a little differently.",
            ),
        ),
        "gguf": LoadingGuide(
            library="gguf",
            sections=(("llama.cpp", "bash", _LLAMA_CPP),),
            notes=(
                "llama.cpp scales an image first and pads it then; trained was the other order. "
                "Square images are prepared as in training.",
                "The mmproj is for the releases of llama.cpp since May 2025, which put the tower's "
                "class token last; for others, write it with `class_row` first.",
            ),
        ),
        "palo": LoadingGuide(
            library="",
            sections=(
                ("This platform", "bash", _PALO),
                ("vLLM, with the package palo beside it", "bash", _VLLM),
            ),
            notes=("vLLM takes towers of CLIP and SigLIP, with any of our projectors.",),
        ),
        "adapter": LoadingGuide(
            library="peft",
            sections=(("PEFT, words alone", "python", _PEFT),),
            notes=(
                "The adapter's names are those of the plain base language model. "
                "`projector.safetensors` turns features of the vision tower into its embeddings: "
                "`0` and `2` are linear layers with GELU between them (or the LDP's own names). "
                "The feature is the last but one hidden state of the tower, patches only.",
                "If a tokenizer is beside it, the vocabulary was extended: give the base model as "
                "many rows first, `base.resize_token_embeddings(N)` with N behind the last of "
                "`trainable_token_indices`. Programs that know only LoRA, such as vLLM, can't load "
                "it: export with --to llava for them.",
            ),
        ),
    }
)
