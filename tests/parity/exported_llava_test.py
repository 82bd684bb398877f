"""An exported Llava folder in transformers alone: keys, ids, pixels, logits, answers equal ours.

It runs in this environment, with transformers 5, and in another with transformers 4.57 if
PALO_TRANSFORMERS4_PYTHON names that one's python.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from palo import languages
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import ExportSettings
from palo.checkpoint.exporting.loading import messages_of
from palo.checkpoint.finished import write_stage
from palo.checkpoint.load import load_trained
from palo.checkpoint.parts import ModelParts
from palo.config import to_dict
from palo.images.decode import decode_image, preprocess
from palo.images.preprocessing import Preprocessing, read_preprocessing
from palo.model.assemble import assemble
from palo.recipes.nano import BASE
from palo.text.encoding import encode_prompt, expand_sentinels, stop_ids
from palo.text.messages import Conversation, Turn

PROGRAM = Path(__file__).parents[1] / "clients" / "programs" / "llava_folder.py"
# Worst difference measured in float32: none at all, in 4.57.6 and in 5.23.0; logits reach 40.
TOLERANCE = 1e-4
NUM_TOKENS = 12
ODD_TEXTS = ("a  b", " a", "a ", "   ", "\n  x", "a\u3000b", "▁ ▁", "  </s>", "12  345", "😀  é")


def other_python():
    python = os.environ.get("PALO_TRANSFORMERS4_PYTHON")
    if not python:
        pytest.skip("PALO_TRANSFORMERS4_PYTHON names no python with transformers 4.57")
    return python


@pytest.fixture(params=["transformers 5", "transformers 4.57"])
def python(request):
    return sys.executable if request.param == "transformers 5" else other_python()


def nano_stage(folder):
    """The nano recipe's own base with a random projector: real weights, ten languages."""
    parts = ModelParts(
        tower=BASE / "tower", language_model=BASE / "language_model", tokenizer=BASE / "tokenizer"
    )
    projector = assemble(parts.tower, parts.language_model).projector.state_dict()
    write_stage(
        folder / "stage",
        {f"projector.{name}": tensor for name, tensor in projector.items()},
        parts=parts,
        lora=None,
        template="vicuna_v1",
        preprocessing=to_dict(read_preprocessing(parts.tower, 96)),
        lineage={},
    )
    return folder / "stage"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, adapted_stage, caption_stage):
    """Stages and their exports by name."""
    folder = tmp_path_factory.mktemp("exported")
    stages = {"tiny": adapted_stage, "captions": caption_stage, "nano": nano_stage(folder)}
    for name, stage in stages.items():
        wanted = ExportSettings(model=stage, output=folder / name, dtype="float32")
        export(wanted, say=lambda _: None)
    return {name: (stage, folder / name) for name, stage in stages.items()}


def conversations(most_rounds):
    """For each language conversations of every number of rounds; images with first questions."""
    for language in languages.every():
        words = [language.caption_wish, f" {language.native_name}  ", language.answer_wish]
        for num_rounds in range(1, most_rounds + 1):
            texts = [words[n % 3] for n in range(2 * num_rounds - 1)]
            yield Conversation(
                tuple(
                    Turn("assistant" if n % 2 else "user", text, int(n == 0))
                    for n, text in enumerate(texts)
                )
            )
        yield Conversation((Turn("user", language.answer_wish),), system=language.native_name)


def run(python, folder, rows, tmp_path):
    asked = {"folder": str(folder), "max_new_tokens": NUM_TOKENS, "rows": rows, "texts": ODD_TEXTS}
    (tmp_path / "questions.json").write_text(json.dumps(asked))
    words = [python, PROGRAM, tmp_path / "questions.json", tmp_path / "answers.json"]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((tmp_path / "answers.json").read_text())


@torch.no_grad()
def own_answer(trained, conversation, image):
    preprocessing = Preprocessing(**trained.stage.preprocessing)
    pixels = preprocess(decode_image(image.read_bytes()), preprocessing)
    images = {"pixels": torch.from_numpy(pixels)[None]} if conversation.num_images else {}
    ids = encode_prompt(conversation, trained.template, trained.tokenizer)
    ids = expand_sentinels(ids, trained.model.config.tokens_per_image)
    inputs = {"input_ids": torch.tensor([ids]), **images}
    logits = trained.model(**inputs).logits[0, -8:]
    made = trained.model.generate(
        **inputs,
        attention_mask=torch.ones(1, len(ids), dtype=torch.int64),
        max_new_tokens=NUM_TOKENS,
        do_sample=False,
        eos_token_id=list(stop_ids(trained.template, trained.tokenizer)),
        pad_token_id=0,
    )
    tokens = made[0, len(ids) :].tolist()
    return ids, pixels, logits, tokens, trained.tokenizer.decode(tokens)


@pytest.mark.parametrize("name", ["tiny", "captions", "nano"])
def test_it_answers_as_our_model_does(exported, python, name, image_files, tmp_path):
    stage, folder = exported[name]
    trained = load_trained(stage)
    asked = list(conversations(1 if trained.template.caption else 3))
    if trained.template.caption:
        asked = [one for one in asked if one.num_images]
    rows = [
        {"messages": messages_of(one)}
        | ({"image": str(image_files[n % 3])} if one.num_images else {})
        for n, one in enumerate(asked)
    ]
    found = run(python, folder, rows, tmp_path)
    version = found["transformers"]
    assert set(found["loading"].values()) == {0}, found["loading"]
    image_id = json.loads((folder / "config.json").read_text())["image_token_index"]
    worst, texts = 0.0, set()
    for n, (conversation, row) in enumerate(zip(asked, found["rows"], strict=True)):
        ids, pixels, logits, tokens, text = own_answer(trained, conversation, image_files[n % 3])
        assert row["ids"] == [image_id if token < 0 else token for token in ids], row["prompt"]
        if conversation.num_images:
            assert np.array_equal(np.array(row["pixels"], np.float32), pixels.flatten())
        theirs = torch.tensor(row["logits"])[:, : logits.shape[-1]]
        worst = max(worst, (theirs - logits).abs().max().item())
        assert row["tokens"] == tokens
        if "\ufffd" not in row["text"]:  # of bytes that are no character, theirs shows none at all
            assert row["text"].strip() == text.strip()
        texts.add(text)
    assert len(texts) > 2, "constant answers prove nothing"
    assert worst <= TOLERANCE
    print(
        f"transformers {version}, {name}: {len(rows)} prompts, ids, pixels, answers equal; "
        f"0 of {len(found['loading'])} kinds of faults; logits within {worst:.1e}"
    )
    own = [list(trained.tokenizer.encode(one)) for one in ODD_TEXTS if "</s>" not in one]
    assert [
        ids for ids, one in zip(found["texts"], ODD_TEXTS, strict=True) if "</s>" not in one
    ] == own


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (336, 336), (61, 50), (1500, 334)])
def test_its_preprocessing_is_ours_at_336_pixels(exported, size, tmp_path):
    from transformers import AutoImageProcessor

    _, folder = exported["tiny"]
    values = json.loads((folder / "preprocessor_config.json").read_text())
    values |= {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    theirs = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    assert type(theirs).__name__ == "LlavaImageProcessorPil"
    rng = np.random.default_rng(size[0])
    image = Image.fromarray(rng.integers(0, 256, (12, 9, 3), np.uint8)).resize(size)
    wanted = preprocess(image, Preprocessing())
    assert np.array_equal(theirs(image, return_tensors="np")["pixel_values"][0], wanted)
