"""Other backbones and towers from the command line: corpus, training, resumption, scores, answers.

All parts come from folders that `save_pretrained` wrote, with tokenizers built as the models' own.
"""

import re
import subprocess
import sys

import pytest
import torch
from tests.conftest import ROOT
from tests.fixtures.backbones import tiny_text_config
from tests.fixtures.nano_command import NanoCommand, losses
from tests.fixtures.new_tokenizers import write_gemma_model, write_qwen_json
from tests.unit.text.conftest import SENTENCES

from palo import languages
from palo.checkpoint.load import load_trained
from palo.text.tokenizer import load_tokenizer

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.timeout(2700)]

_SIDE = 96  # of the drawn scenes
_TOKENIZERS = {"qwen3": write_qwen_json, "gemma3": write_gemma_model}
_TEMPLATES = {"qwen3": "qwen3", "gemma3": "gemma"}


def write_parts(name, folder):
    """Saves a SigLIP tower, a language model with more rows than tokens, and its tokenizer."""
    from transformers import AutoModelForCausalLM, SiglipVisionConfig, SiglipVisionModel

    _TOKENIZERS[name](folder / "tokenizer", SENTENCES.values())
    num_tokens = load_tokenizer(folder / "tokenizer").vocab_size
    torch.manual_seed(0)
    size = {"hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 4}
    tower = SiglipVisionConfig(**size, num_hidden_layers=3, image_size=_SIDE, patch_size=16)
    SiglipVisionModel(tower).save_pretrained(folder / "tower")
    text = tiny_text_config(
        name, vocab_size=-(-num_tokens // 64) * 64 + 64, max_position_embeddings=2048,
        sliding_window=64, initializer_range=0.05,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(text).save_pretrained(folder / "language_model")
    words = []
    for part in ("tower", "language-model", "tokenizer"):
        words += [f"--parts.{part}", str(folder / part.replace("-", "_"))]
    return [*words, "--finetune.template", _TEMPLATES[name], "--data.max-text-tokens", "1500"]


def answer_of(run, image, question):
    """What the job says to one question about an image."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "chat.py"), str(run), "--image", str(image)],
        input=f"{question}\n", capture_output=True, text=True, check=False, cwd=run,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["qwen3", "gemma3"])
def test_a_run_is_stopped_resumed_scored_answers_and_is_exported(name, tmp_path):
    words = [*write_parts(name, tmp_path / "parts"), "--output", str(tmp_path / "run")]
    command = NanoCommand("finetune.py", tmp_path / "first", *words)
    command.wait_for(lambda: len(losses(tmp_path / "run", "finetune")) >= 7)
    command.press_ctrl_c()
    assert command.end() == 130, command.said
    num_done = len(losses(tmp_path / "run", "finetune"))
    again = NanoCommand("finetune.py", tmp_path / "second", *words)
    assert again.end() == 0, again.said
    found = losses(tmp_path / "run", "finetune")
    assert len(found) > num_done >= 7
    assert found[-1] < found[0]
    assert "Traceback" not in command.said + again.said
    rows = re.findall(r"^(\w\w)  .* 4 +\d+\.\d%", again.said, re.MULTILINE)
    assert tuple(rows) == languages.codes()
    trained = load_trained(tmp_path / "run" / "finetune")
    assert trained.template.name == _TEMPLATES[name]
    assert trained.stage.preprocessing["mean"] == [0.5, 0.5, 0.5]
    image = next((tmp_path / "run" / "scenes" / "heldout" / "images").glob("*.png"))
    # After so few steps the answer may be spaces.
    assert answer_of(tmp_path / "run", image, "What is there?")
    exported = tmp_path / "exported"
    words = [str(tmp_path / "run"), "--to", "palo", "--output", str(exported)]
    job = [sys.executable, str(ROOT / "jobs" / "export.py")]
    subprocess.run([*job, *words], check=True, cwd=tmp_path)
    refused = subprocess.run(
        [*job, *words[:1], "--to", "gguf", "--output", str(tmp_path / "other")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "no export to gguf for language models of" in refused.stderr
    assert not (tmp_path / "other").exists()
