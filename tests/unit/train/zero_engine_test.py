import deepspeed
from deepspeed.comm.torch import build_shm_op
from deepspeed.runtime.zero.leaf_module_config import DeepSpeedZeroLeafModuleConfig
from deepspeed.utils.z3_leaf_module import apply_zero_leaf_module_config
from transformers import LlamaConfig, LlamaForCausalLM

from palo.train.deepspeed_config import deepspeed_config
from palo.train.stages import OptimizerSettings, StageConfig, ZeroSettings
from palo.train.zero_engine import join_workers


def test_training_compiles_no_kernel_for_inference(monkeypatch):
    joined = []
    monkeypatch.setattr(deepspeed.ops, "__compatible_ops__", {"deepspeed_shm_comm": True})
    monkeypatch.setattr(deepspeed, "init_distributed", lambda **options: joined.append(options))
    join_workers("gloo", stall_s=60.0)
    assert joined == [{"dist_backend": "gloo"}]
    assert build_shm_op() is None


def test_deepspeed_takes_each_block_of_the_language_model_as_a_whole():
    stage = StageConfig(
        template="vicuna_v1",
        trains="projector",
        optimizer=OptimizerSettings(lr_projector=1e-3),
        zero=ZeroSettings(whole_blocks=True),
    )
    settings = deepspeed_config(stage)["zero_optimization"]["leaf_module"]
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=8,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=3,
            num_attention_heads=2,
        )
    )
    marked = apply_zero_leaf_module_config(model, DeepSpeedZeroLeafModuleConfig(**settings))
    assert marked == list(model.model.layers)


def test_blocks_can_only_be_gathered_under_stage_3():
    assert list(ZeroSettings(stage=2, whole_blocks=True).faults()) == [
        "whole_blocks needs stage 3, not 2"
    ]
