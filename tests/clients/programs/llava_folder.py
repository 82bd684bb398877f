"""Answers questions with a Llava folder through transformers alone, of whichever version runs this.

    python llava_folder.py QUESTIONS.json ANSWERS.json

Questions have `folder`, `max_new_tokens` and `rows`: each has `messages` and perhaps `image`, a
file. Answers have the version, what loading reported, and for each row its ids, pixels, last
logits and text.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from PIL import Image
from transformers import AutoProcessor, AutoTokenizer, LlavaForConditionalGeneration

_KEPT = 8


def main(questions: Path, answers: Path) -> None:
    asked = json.loads(questions.read_text(encoding="utf-8"))
    processor = AutoProcessor.from_pretrained(asked["folder"], use_fast=False)
    model, report = LlavaForConditionalGeneration.from_pretrained(
        asked["folder"], dtype=torch.float32, output_loading_info=True
    )
    found = {
        "transformers": transformers.__version__,
        "processor": type(processor).__name__,
        "image_processor": type(processor.image_processor).__name__,
        "loading": {name: len(keys) for name, keys in report.items()},
        "rows": [answer(model.eval(), processor, row, asked) for row in asked["rows"]],
        "texts": tokenized(asked["folder"], asked.get("texts", [])),
    }
    answers.write_text(json.dumps(found), encoding="utf-8")


def tokenized(folder: str, texts: list[str]) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


@torch.no_grad()
def answer(model, processor, row, asked):
    prompt = processor.apply_chat_template(row["messages"], add_generation_prompt=True)
    images = [Image.open(row["image"])] if row.get("image") else None
    inputs = processor(images=images, text=prompt, return_tensors="pt")
    length = inputs["input_ids"].shape[1]
    made = model.generate(**inputs, max_new_tokens=asked["max_new_tokens"], do_sample=False)
    logits = model(**inputs).logits[0, -_KEPT:].float()
    pixels = inputs.get("pixel_values")
    return {
        "prompt": prompt,
        "ids": inputs["input_ids"][0].tolist(),
        "pixels": None if pixels is None else pixels[0].flatten().tolist(),
        "logits": logits.tolist(),
        "tokens": made[0, length:].tolist(),
        "text": processor.decode(made[0, length:], skip_special_tokens=True),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
