"""What is said about backbones is told in one line, and the page about them says the same."""

import json
import subprocess
import sys

import pytest
from tests.conftest import ROOT
from tests.fixtures.backbones import tiny_text_config

from palo.errors import ConfigError, MismatchError
from palo.model.backbone_folder import read_backbone
from palo.model.backbones import BACKBONES, language_model_class
from palo.text.templates import TEMPLATES

# A row of the page's table, by the feature that it is about.
ROWS = {
    "`--to llava`: transformers": "export to llava",
    "`vllm serve` of `--to palo`": "vllm serve",
    "`replica.backend vllm`": "replica.backend vllm",
    "`--to gguf`: llama.cpp": "export to gguf",
}


@pytest.fixture(scope="module")
def table():
    """The page's table: cells of each row, by its first cell."""
    text = (ROOT / "docs" / "backbones.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def test_the_page_has_what_the_table_of_the_code_says(table):
    known = list(BACKBONES.values())
    assert table["Llama"] == [one.title for one in known[1:]]  # the head's first cell is empty
    assert table["`model_type` in config.json"] == [f"`{one.model_type}`" for one in known]
    templates = table["template of its own instruction models"]
    assert templates == [f"`{one.template}`" for one in known]
    assert table["engine on a CPU in float32"] == [one.engine for one in known]
    plans = table["plan: steps, memory, hours"]
    assert plans == [f"yes; {one.planner}" if one.planner else "yes" for one in known]
    for row, feature in ROWS.items():
        assert table[row] == ["no" if feature in one.lacks else "yes" for one in known], row
    assert {feature for one in known for feature in one.lacks} <= set(ROWS.values())


@pytest.mark.parametrize("model_type", BACKBONES)
def test_names_are_those_of_transformers(model_type):
    backbone = BACKBONES[model_type]
    name = {"llama": "llama", "qwen3": "qwen3", "gemma3_text": "gemma3"}[model_type]
    config = tiny_text_config(name, num_hidden_layers=1, layer_types=None)
    model = language_model_class(config)(config)
    kind = type(model.model.layers[0])
    assert f"{kind.__module__}.{kind.__qualname__}" == backbone.block
    assert backbone.template in TEMPLATES
    norms = [key for key, _ in model.model.layers[0].named_parameters() if "layernorm" in key]
    assert len(norms) == backbone.norms
    assert hasattr(model.model.layers[0].self_attn, "q_norm") == backbone.normed_heads


def folder_of(path, **values):
    (path / "config.json").write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model_type": "mamba"}, "no language model of a known architecture: model_type mamba"),
        ({}, "model_type None"),
        ({"model_type": ["qwen3"]}, "is not one that can be loaded: model_type"),
        (
            {"model_type": "gemma3_text", "use_bidirectional_attention": True},
            "unusual language model of Gemma 3.*use_bidirectional_attention True",
        ),
        ({"model_type": "gemma3_text", "final_logit_softcapping": 30.0}, "softcapping 30"),
    ],
)
def test_what_cant_be_built_on_is_told_by_config_json_alone(tmp_path, values, said):
    with pytest.raises(MismatchError, match=said):
        read_backbone(folder_of(tmp_path, **values))


def test_usual_values_are_taken(tmp_path):
    values = {"model_type": "gemma3_text", "final_logit_softcapping": None}
    assert read_backbone(folder_of(tmp_path, **values)).title == "Gemma 3"
    assert read_backbone(folder_of(tmp_path, model_type="llama")).title == "Llama"


def test_a_feature_that_is_lacking_is_told_with_what_to_do():
    with pytest.raises(ConfigError, match=r"no export to gguf for .*Qwen3: only llama.*Do this\."):
        BACKBONES["qwen3"].require("export to gguf", "Do this.")
    BACKBONES["llama"].require("export to gguf", "Do this.")


def test_looking_needs_neither_torch_nor_transformers():
    code = (
        "import sys, palo.model.backbone_folder; "
        "sys.exit(bool({'torch', 'transformers'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
