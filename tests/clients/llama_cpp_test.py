"""llama.cpp on exported GGUF files: its prompts, log-probabilities and greedy answers against ours.

It runs in an environment of its own, whose python PALO_LLAMA_CPP_PYTHON names:

    python -m venv runs/llama_cpp && runs/llama_cpp/bin/pip install xllamacpp==2026.10.11549
    PALO_LLAMA_CPP_PYTHON=runs/llama_cpp/bin/python pytest tests/clients/llama_cpp_test.py

llama.cpp has put the tower's class token last since May 2025, while it takes positions and patches
as if it came first. So its answers about images are compared with a tower in that order too: one
of the two must be equal.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.fixtures.finished import write_finished_stage
from tests.fixtures.gguf_models import write_byte_level_stage, write_mobile_stage, write_nano_stage

from palo.checkpoint.exporting.gguf import write_gguf
from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.evaluate.generation import image_features, preprocessing_of
from palo.images.preprocessing import Preprocessing
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES

_PYTHON = os.environ.get("PALO_LLAMA_CPP_PYTHON", "")
_PROGRAM = Path(__file__).parent / "programs" / "llama_cpp.py"
_PAD_COLOUR = (122, 116, 104)
_NUM_TOKENS = 12

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not _PYTHON, reason="PALO_LLAMA_CPP_PYTHON names no python with xllamacpp"),
]
pytest.importorskip("gguf", reason="writing GGUF needs the gguf package (extra mini)")


class Exported:
    """A model, and llama.cpp on its files."""

    def __init__(self, stage, folder, dtype="float32", class_row="first"):
        self.files = write_gguf(read_stage(stage), folder, dtype, class_row=class_row)
        self.class_row = class_row
        self.trained = load_trained(stage)
        self.vocab_size = self.trained.model.config.text_config.vocab_size

    def ask(self, requests):
        done = subprocess.run(
            [_PYTHON, _PROGRAM, self.files.model, self.files.mmproj],
            input=json.dumps(requests),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(requests), done.stderr[-2000:]
        return answers

    def complete(self, prompt, image=None):
        """Greedy ids, and log-probabilities of the first one."""
        body = {"n_predict": _NUM_TOKENS, "temperature": 0, "samplers": ["temperature"]}
        body |= {"n_probs": self.vocab_size, "return_tokens": True}
        body["prompt"] = (
            {"prompt_string": prompt, "multimodal_data": ["IMAGE"]} if image else prompt
        )
        (answer,) = self.ask([{"path": "/completion", "body": body, "image": image and str(image)}])
        first = answer["completion_probabilities"][0]
        logits = torch.full((self.vocab_size,), -math.inf)
        for one in first["top_logprobs"]:
            logits[one["id"]] = one["logprob"]
        # A token that is part of a character has no entry of its own.
        is_first = first["id"] == answer["tokens"][0]
        return answer["tokens"], logits if is_first else None

    def own(self, conversation, features=None):
        """The same of our model."""
        model, tokenizer = self.trained.model, self.trained.tokenizer
        num_tokens, row = model.config.tokens_per_image, []
        for token in encode_prompt(conversation, self.trained.template, tokenizer):
            row += [token] * (num_tokens if token < 0 else 1)
        num_prompt, first = len(row), None
        while len(row) < num_prompt + _NUM_TOKENS:
            with torch.no_grad():
                asked = model(torch.tensor([row]), features=features, logits_to_keep=1)
            logits = asked.logits[0, -1].log_softmax(-1)
            first = logits if first is None else first
            row.append(int(logits.argmax()))
            if row[-1] == tokenizer.eos_id:
                break
        return row[num_prompt:], first

    def features_class_last(self, pixels):
        """The tower's features with the class token's row where llama.cpp has it."""
        tower = self.trained.model.vision_tower
        inner = tower.model
        patches = inner.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        rows = torch.cat([patches, inner.embeddings.class_embedding.expand(1, 1, -1)], 1)
        positions = inner.embeddings.position_embedding.weight
        if self.class_row == "last":
            positions = positions.roll(-1, 0)
        rows = inner.pre_layrnorm(rows + positions)
        with torch.no_grad():
            for layer in inner.encoder.layers[: tower.layer_index]:
                rows = layer(rows, None)
        return rows[:, 1:]


def _conversation(text, *, image=False):
    return Conversation((Turn("user", text, int(image)),))


def _prompt(text, *, image=False):
    mark = "<__media__>\n" if image else ""
    return f"{TEMPLATES['vicuna_v1'].system_text} USER: {mark}{text} ASSISTANT:"


def _square(path, side, seed=0):
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(blocks).resize((side, side), Image.Resampling.NEAREST).save(path)
    return path


def _scaled_then_padded(path, side):
    """An image as llama.cpp prepares it: LLaVA pads first and scales then."""
    image = Image.open(path).convert("RGB")
    scale = side / max(image.size)
    size = tuple(min(side, math.ceil(length * scale)) for length in image.size)
    canvas = Image.new("RGB", (side, side), _PAD_COLOUR)
    place = tuple((side - length) // 2 for length in size)
    canvas.paste(image.resize(size, Image.Resampling.BICUBIC), place)
    pixels = np.asarray(canvas).transpose(2, 0, 1)[None]
    return torch.from_numpy(Preprocessing(image_size=side, shortest_edge=side).normalise(pixels))


def _differ(found, expected):
    """Whether answers differ, and by how much the first token's log-probabilities do."""
    (tokens, logits), (own_tokens, own_logits) = found, expected
    distance = math.nan if logits is None else (logits - own_logits).abs().max().item()
    return tokens != own_tokens or distance > 0.05, distance


@pytest.mark.parametrize(
    "text", ["a red circle", "two  blue squares ", "एक वृत्त 一つの円 x9", "</s"]
)
def test_answers_to_words_are_the_models(tmp_path, text):
    exported = Exported(write_finished_stage(tmp_path), tmp_path / "gguf")
    found, expected = exported.complete(_prompt(text)), exported.own(_conversation(text))
    assert found[0] == expected[0]
    if found[1] is not None:
        torch.testing.assert_close(found[1], expected[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("write", [write_finished_stage, write_mobile_stage, write_nano_stage])
@pytest.mark.parametrize("class_row", ["first", "last"])
def test_answers_about_a_square_image_are_the_models_or_its_with_the_class_token_last(
    tmp_path, write, class_row
):
    exported = Exported(write(tmp_path), tmp_path / "gguf", class_row=class_row)
    side = exported.trained.model.config.input_image_size
    path = _square(tmp_path / "image.png", side)
    preprocessing = preprocessing_of(exported.trained)
    found = exported.complete(_prompt("a red circle", image=True), path)
    asked = _conversation("a red circle", image=True)
    right = exported.own(asked, image_features(exported.trained.model, preprocessing, [path]))
    pixels = _scaled_then_padded(path, side)  # nothing to do for a square
    last = exported.own(asked, exported.features_class_last(pixels))
    results = {"class token first": _differ(found, right), "class token last": _differ(found, last)}
    print(write.__name__, class_row, results, file=sys.stderr)
    assert not all(differs for differs, _ in results.values()), results


@pytest.mark.parametrize("size", [(60, 40), (24, 50), (300, 300)])
def test_another_shape_is_scaled_first_and_padded_then(tmp_path, size):
    exported = Exported(write_finished_stage(tmp_path), tmp_path / "gguf")
    path = tmp_path / "image.png"
    Image.open(_square(path, 60)).resize(size, Image.Resampling.NEAREST).save(path)
    found = exported.complete(_prompt("two blue", image=True), path)
    features = exported.features_class_last(_scaled_then_padded(path, 32))
    differs, distance = _differ(
        found, exported.own(_conversation("two blue", image=True), features)
    )
    assert not differs, distance


def test_the_files_template_gives_our_prompts(tmp_path):
    exported = Exported(write_nano_stage(tmp_path), tmp_path / "gguf")
    path = _square(tmp_path / "image.png", 96)
    image = {"type": "image_url", "image_url": {"url": "IMAGE_URL"}}
    first = [{"type": "text", "text": "two blue"}, image]
    talks = {
        "words": [{"role": "user", "content": "a red  circle"}],
        "image": [{"role": "user", "content": first}],
        "rounds": [
            {"role": "user", "content": first},
            {"role": "assistant", "content": "एक circle"},
            {"role": "user", "content": "why? 一つ"},
        ],
    }
    turns = {
        "words": (Turn("user", "a red  circle", 0),),
        "image": (Turn("user", "two blue", 1),),
        "rounds": (
            Turn("user", "two blue", 1),
            Turn("assistant", "एक circle", 0),
            Turn("user", "why? 一つ", 0),
        ),
    }
    requests = [
        {"path": "/v1/chat/completions", "image": str(path),
         "body": {"messages": messages, "max_tokens": _NUM_TOKENS, "temperature": 0}}
        for messages in talks.values()
    ]  # fmt: skip
    features = exported.features_class_last(_scaled_then_padded(path, 96))
    for name, answer in zip(talks, exported.ask(requests), strict=True):
        asked = Conversation(turns[name])
        ids = encode_prompt(asked, exported.trained.template, exported.trained.tokenizer)
        num_tokens = sum(
            exported.trained.model.config.tokens_per_image if i < 0 else 1 for i in ids
        )
        assert answer["usage"]["prompt_tokens"] == num_tokens, name
        own, _ = exported.own(asked, None if name == "words" else features)
        said = answer["choices"][0]["message"]["content"].strip()
        assert said == exported.trained.tokenizer.decode(own).strip(), name


def test_byte_level_tokens_and_grouped_queries_are_the_models(tmp_path):
    exported = Exported(write_byte_level_stage(tmp_path), tmp_path / "gguf")
    text = "say  it 42 in 3,  हि a  9"
    (answer,) = exported.ask([{"path": "/tokenize", "body": {"content": text}}])
    assert answer["tokens"] == list(exported.trained.tokenizer.encode(text))
    chat = {"messages": [{"role": "user", "content": text}], "max_tokens": 4, "temperature": 0}
    (answer,) = exported.ask([{"path": "/v1/chat/completions", "body": chat}])
    own, _ = exported.own(_conversation(text))
    assert answer["choices"][0]["message"]["content"] == exported.trained.tokenizer.decode(own[:4])


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float16", 0.1), ("bfloat16", 0.5), ("q8_0", 0.5)]
)
def test_smaller_types_stay_near(tmp_path, dtype, tolerance):
    exported = Exported(write_finished_stage(tmp_path), tmp_path / "gguf", dtype)
    _, logits = exported.complete(_prompt("a red circle"))
    _, expected = exported.own(_conversation("a red circle"))
    assert logits is not None
    assert (logits - expected).abs().max() < tolerance
